//! The composition root: the only place that names every adapter, and puts them behind the runtime's ports.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{SystemClock, SystemIds};
use crate::engine::event::{Fact, Origin, StopCause};
use crate::engine::phase::tolerances_of;
use crate::engine::state::State;
use crate::engine::watch::Sample;
use crate::evidence::{self, Bundle};
use crate::faults::docker;
use crate::faults::drivers::Drivers;
use crate::model::drill::Remedy;
use crate::model::fault::{Act, Call, ContainerAction, Hook, Injection};
use crate::model::ids::{ProbeName, RunId};
use crate::model::plan::{Plan, SourceFile};
use crate::model::probe::{Ask, HttpRequest, Program};
use crate::model::stack::Stack;
use crate::notify::Notifiers;
use crate::outbound::Outbound;
use crate::ports::{Answer, Claim, Claims, Inspector, Journal as _, JournalError, Notifier};
use crate::probes::Probes;
use crate::probes::identity::Inspection;
use crate::review::Review;
use crate::runtime::{self, Ports, RunHandle, Supervisor};
use crate::score::{self, Report};
use crate::secret::{self, Environment};
use crate::store::copy::Copy;
use crate::store::database::{Database, OpenError};
use crate::store::halt::{Lever, Watched};
use crate::store::lock::RunLock;
use crate::store::runs::ScorecardSummary;
use crate::toxiproxy;

/// How many runs without a summary are looked for at once.
const TOGETHER: u32 = 200;

/// How long a shutdown waits for what is being undone.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(70);

/// What a firedrill process may do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the journal is.
    pub data: PathBuf,
    /// Environments whose stacks may be disturbed.
    pub environments: Vec<String>,
    /// Programs that plans may run; everything where absent, as on a command line that somebody typed.
    pub programs: Option<BTreeSet<String>>,
    /// Services, and containers by label, that no fault may touch.
    pub protected: BTreeSet<String>,
    /// How many runs may live at once here.
    pub runs: Option<usize>,
    /// Channels that messages of drills may be sent to, beside those that firedrill serves itself.
    pub channels: BTreeSet<String>,
    /// How many connections read the journal at once: pages want several, a command is quicker with one.
    pub readers: u32,
}

/// Everything a firedrill process works with.
#[derive(Clone)]
pub struct App {
    /// The clocks.
    pub clock: SystemClock,
    /// The journal and what is asked of it.
    pub database: Database,
    /// Starts and knows runs.
    pub supervisor: Supervisor,
    /// What halts everything on this data folder.
    pub lever: Lever,
    /// Outgoing HTTP.
    pub outbound: Arc<Outbound>,
    /// Owns every task.
    pub tracker: TaskTracker,
    /// Ends every task that does not end by itself.
    pub shutdown: CancellationToken,
    preflight: Arc<Preflight>,
}

impl App {
    /// Opens the data folder and puts everything together. Nothing is recovered or started yet.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::assemble(settings, secret::environment()).await
    }

    /// The same on a copy of a data folder that can't be written: for undoing what its runs left. What comes of it is
    /// recorded in the copy only. The runs are claimed where everybody else claims them, as far as that folder allows.
    pub async fn open_copy(settings: Settings, copy: &Copy) -> Result<Self, OpenError> {
        let locks = Locks {
            data: settings.data,
            copy: Some(copy.path().to_owned()),
        };
        let settings = Settings {
            data: copy.path().to_owned(),
            ..settings
        };
        Self::assemble_with(settings, secret::environment(), locks, |ports| ports).await
    }

    /// The same with ports of the caller's making around the real ones: tests observe, delay, repeat and end what goes
    /// through them.
    pub async fn open_through(
        settings: Settings,
        wrap: impl FnOnce(Ports) -> Ports,
    ) -> Result<Self, OpenError> {
        let locks = Locks::of(&settings);
        Self::assemble_with(settings, secret::environment(), locks, wrap).await
    }

    async fn assemble(settings: Settings, environment: Environment) -> Result<Self, OpenError> {
        let locks = Locks::of(&settings);
        Self::assemble_with(settings, environment, locks, |ports| ports).await
    }

    async fn assemble_with(
        settings: Settings,
        environment: Environment,
        locks: Locks,
        wrap: impl FnOnce(Ports) -> Ports,
    ) -> Result<Self, OpenError> {
        let clock = SystemClock::start();
        let database = Database::open_for(&settings.data, settings.readers).await?;
        let lever = Lever::of(&settings.data);
        if let Some(former) = database.take_former_halt().await.ok().flatten() {
            lever.pull(&former).map_err(|why| OpenError::Folder {
                path: settings.data.clone(),
                why,
            })?;
        }
        let outbound = Arc::new(Outbound::with_environment(environment));
        let tracker = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let carrier = Arc::new(Carrier {
            outbound: outbound.clone(),
            tracker: tracker.clone(),
            shutdown: shutdown.clone(),
            carried: Mutex::default(),
        });
        let containers = Arc::new(docker::Labels);
        let inspection = Inspection::new(settings.environments, outbound.clone(), containers);
        let drivers = Drivers::new(Arc::new(clock), outbound.clone());
        let drivers = Arc::new(drivers.protecting(settings.protected));
        let notifier: Arc<dyn Notifier> = Arc::new(Notifiers::new(
            Arc::new(clock),
            outbound.clone(),
            settings.channels,
        ));
        let preflight = Arc::new(Preflight {
            carrier,
            inspection,
            programs: settings.programs,
            drivers: drivers.clone(),
            notifier: notifier.clone(),
        });
        let ids = Arc::new(SystemIds::sealed_by(clock, database.secret()));
        let ports = Ports {
            clock: Arc::new(clock),
            ids: ids.clone(),
            journal: Arc::new(database.clone()),
            driver: drivers,
            prober: Arc::new(Probes::new(Arc::new(clock), outbound.clone())),
            inspector: preflight.clone(),
            claims: Arc::new(locks),
            lever: Arc::new(Watched::new(lever.clone(), database.clone(), ids)),
            notifier,
        };
        let supervisor = Supervisor::limited(wrap(ports), tracker.clone(), settings.runs);
        tracker.spawn(runtime::halt::watch(supervisor.clone(), shutdown.clone()));
        Ok(Self {
            clock,
            database,
            supervisor,
            lever,
            outbound,
            tracker,
            shutdown,
            preflight,
        })
    }

    /// The plan as a run with this seed, else with one of its own, would have it: which of several containers steps hit.
    pub async fn draw(&self, plan: Plan, seed: Option<u64>) -> (Plan, u64) {
        let seed = seed.unwrap_or_else(|| self.supervisor.ports().ids.seed());
        (self.preflight.draw(plan, seed).await, seed)
    }

    /// Looks at every target of a plan as a run would, and touches nothing.
    pub async fn rehearse(&self, plan: &Plan) -> Result<Vec<String>, Vec<String>> {
        self.preflight.look(plan).await
    }

    /// Asks each probe that a run of this plan would ask, once, all at the same time. `None` where nobody carries a link
    /// that a run would carry or create: what goes through it can't answer yet.
    pub async fn ask_probes(&self, plan: &Plan) -> Option<Vec<(ProbeName, Sample)>> {
        let toxiproxy = plan.stack.toxiproxy.as_ref();
        if toxiproxy.is_some_and(|server| server.embedded || server.create_proxies) {
            for link in &plan.stack.links {
                let listens = TcpStream::connect(&link.listen);
                timeout(Duration::from_secs(1), listens).await.ok()?.ok()?;
            }
        }
        let prober = &self.supervisor.ports().prober;
        let asked = tolerances_of(plan).into_iter().filter_map(|tolerance| {
            let probe = plan.stack.probes.get(&tolerance.probe)?;
            Some(async move { (tolerance.probe, prober.ask(probe).await) })
        });
        Some(join_all(asked).await)
    }

    /// Keeps each run's scorecard beside it once it is over, until shutdown.
    pub fn keep_scores(&self) {
        let app = self.clone();
        let mut feed = self.supervisor.feed().follow();
        self.tracker.spawn(async move {
            loop {
                let received = tokio::select! {
                    () = app.shutdown.cancelled() => return,
                    received = feed.recv() => received,
                };
                // A scorecard missed because the feed ran ahead is made when it is next asked for.
                let Ok((run, event)) = received else { continue };
                if let Fact::RunCreated { plan, .. } = &event.fact {
                    app.keep_files(plan.files.clone()).await;
                }
                if matches!(event.fact, Fact::RunEnded { .. })
                    && let Err(error) = app.save_score(&run).await
                {
                    tracing::error!(%run, %error, "the scorecard could not be kept");
                }
            }
        });
    }

    /// Keeps the texts of files that a run is made from, for its evidence. One that has changed meanwhile, or can't be
    /// read, is left out: evidence says so.
    async fn keep_files(&self, files: Vec<SourceFile>) {
        let read = tokio::task::spawn_blocking(move || {
            let texts = files.into_iter().filter_map(|file| {
                let text = std::fs::read_to_string(&file.path).ok()?;
                (evidence::digest(&text) == file.sha256).then_some((file.sha256, text))
            });
            texts.collect::<Vec<_>>()
        });
        for (sha256, text) in read.await.unwrap_or_default() {
            if let Err(error) = self.database.keep_file(&sha256, &text).await {
                tracing::warn!(%sha256, %error, "a file's text could not be kept");
            }
        }
    }

    /// The after-action report of a run that is over; nothing of one that goes on.
    pub async fn review(&self, run: &RunId) -> Result<Option<Review>, JournalError> {
        let events = self.database.load(run).await?;
        let report = self.report(run).await?;
        let written = self.database.written_about(run).await?;
        let mut pseudonyms = written.pseudonyms();
        let actors = events
            .iter()
            .filter_map(|event| event.origin.actor.as_deref());
        pseudonyms.extend(actors);
        let names = self.database.names(&pseudonyms).await?;
        let name = |pseudonym: &str| {
            let name = names.get(pseudonym);
            name.map_or(pseudonym, String::as_str).to_owned()
        };
        let state = State::replay(run.clone(), &events);
        let plan = state.plan().filter(|_| state.is_ended());
        Ok(plan.map(|plan| Review::new(plan, &events, report, &written, &name)))
    }

    /// Evidence of a run that is over, as a file; nothing of one that goes on.
    pub async fn evidence(&self, run: &RunId) -> Result<Option<String>, JournalError> {
        let events = self.database.load(run).await?;
        let state = State::replay(run.clone(), &events);
        let Some(plan) = state.plan().filter(|_| state.is_ended()) else {
            return Ok(None);
        };
        let mut files = Vec::new();
        for file in &plan.files {
            files.push(evidence::File::new(
                file,
                self.database.file(&file.sha256).await?,
            ));
        }
        let log = self.database.sealed(run).await?;
        let report = self.report(run).await?;
        let bundle = Bundle::new(run.clone(), log, files, &report);
        let text = bundle.and_then(|bundle| bundle.render());
        text.map(Some)
            .map_err(|error| JournalError::Storage(Box::new(error)))
    }

    /// Judges a run's log.
    pub async fn report(&self, run: &RunId) -> Result<Report, JournalError> {
        let events = self.database.load(run).await?;
        let head = self.database.verify(run).await?;
        let report = score::judge(&events).ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        Ok(report.identified(run.clone(), Some(head.hash)))
    }

    async fn save_score(
        &self,
        run: &RunId,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let events = self.database.load(run).await?;
        let head = self.database.verify(run).await?;
        let report = score::judge(&events).ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        let report = report.identified(run.clone(), Some(head.hash));
        if let Some(summary) = score::summary::summary(&report, &events) {
            self.database.save_summary(run, &summary).await?;
        }
        let Some(scorecard) = &report.scorecard else {
            return Ok(());
        };
        let summary = ScorecardSummary {
            rubric: report.rubric.to_string(),
            rating: scorecard
                .score
                .rating
                .map(|rating| rating.as_str().to_owned()),
            outcome: scorecard.score.outcome,
            observed: scorecard.score.observed,
            pass: report
                .overall
                .as_ref()
                .map(|overall| overall.exit_code == 0),
        };
        self.database
            .save_scorecard(run, &summary, &serde_json::to_string(&report)?)
            .await?;
        Ok(())
    }

    /// Makes the summaries of runs that are over and have none, or one by former rules, until all have one: a process that
    /// died made none, and neither does one without pages. A log that can't be read is passed over and said.
    pub async fn summarise(&self) {
        let mut after: Option<RunId> = None;
        loop {
            let runs = self
                .database
                .runs_without_summary(score::summary::VERSION, after.as_ref(), TOGETHER)
                .await;
            let runs = match runs {
                Ok(runs) => runs,
                Err(error) => {
                    tracing::error!(%error, "runs without a summary can't be looked for");
                    return;
                }
            };
            let Some(last) = runs.last() else { return };
            after = Some(last.clone());
            for run in &runs {
                if self.shutdown.is_cancelled() {
                    return;
                }
                if let Err(error) = self.save_score(run).await {
                    tracing::warn!(%run, %error, "the run can't be summarised, and is left out of trends");
                }
            }
        }
    }

    /// Ends every run, then every task, then the database. Answers with the runs that could not be undone.
    pub async fn close(self, cause: StopCause) -> Vec<RunHandle> {
        let left = self
            .supervisor
            .shut_down(cause, Origin::engine(), SHUTDOWN_PATIENCE)
            .await;
        self.shutdown.cancel();
        self.tracker.close();
        if left.is_empty() {
            self.tracker.wait().await;
        }
        if let Err(error) = self.database.close().await {
            tracing::error!(%error, "the journal could not be closed");
        }
        left
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// Run locks in the data folder.
struct Locks {
    data: PathBuf,
    /// A copy to hold runs in whose own folder can't be written.
    copy: Option<PathBuf>,
}

impl Locks {
    fn of(settings: &Settings) -> Self {
        Self {
            data: settings.data.clone(),
            copy: None,
        }
    }
}

impl Claims for Locks {
    fn claim(&self, run: &RunId) -> io::Result<Option<Claim>> {
        let lock = match &self.copy {
            None => RunLock::acquire(&self.data, run)?,
            Some(copy) => RunLock::acquire_unwritable(&self.data, run, copy)?,
        };
        Ok(lock.map(|lock| Box::new(lock) as Claim))
    }
}

/// Carries the links of stacks that leave it to firedrill.
struct Carrier {
    outbound: Arc<Outbound>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    /// The API addresses served by this process.
    carried: Mutex<BTreeSet<String>>,
}

impl Carrier {
    /// Serves a stack's proxies where it leaves that to firedrill and nobody does so yet. Answers whether that was so.
    async fn carry(&self, stack: &Stack) -> Result<bool, String> {
        let Some(target) = stack.toxiproxy.as_ref().filter(|target| target.embedded) else {
            return Ok(false);
        };
        // Held while serving begins: of two starts on one stack, one binds.
        let mut carried = self.carried.lock().await;
        if carried.contains(&target.url) || self.answers(&target.url).await {
            return Ok(false);
        }
        let address = target
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
        let port = port
            .parse()
            .map_err(|_| format!("{} has no port", target.url))?;
        let options = toxiproxy::Options {
            host: host.to_owned(),
            port,
            ..toxiproxy::Options::default()
        };
        let server = toxiproxy::Server::bind(options).await.map_err(|error| {
            format!("the embedded Toxiproxy can't listen on {address}: {error}")
        })?;
        let proxies = stack.links.iter().map(|link| {
            toxiproxy::ProxyConfig::new(link.proxy.to_string(), &link.listen, &link.upstream)
        });
        server.populate(proxies.collect()).await.map_err(|error| {
            format!(
                "the embedded Toxiproxy can't carry {}'s links: {error}",
                stack.name
            )
        })?;
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            if let Err(error) = server.run(shutdown).await {
                tracing::error!(%error, "the embedded Toxiproxy failed");
            }
        });
        carried.insert(target.url.clone());
        Ok(true)
    }

    /// Whether some Toxiproxy serves there already: another firedrill's, or the demo stack's own.
    async fn answers(&self, url: &str) -> bool {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: format!("{}/version", url.trim_end_matches('/')),
            headers: BTreeMap::new(),
            body: None,
        };
        let answer = self.outbound.send(&request, Duration::from_secs(2)).await;
        answer.is_ok_and(|reply| reply.status.is_success())
    }
}

/// Before a run: programs allowed and staging proven, and only then embedded proxies served and missing ones created.
struct Preflight {
    carrier: Arc<Carrier>,
    inspection: Inspection,
    programs: Option<BTreeSet<String>>,
    drivers: Arc<Drivers>,
    notifier: Arc<dyn Notifier>,
}

impl Inspector for Preflight {
    fn inspect<'a>(&'a self, plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move {
            let mut proof = self.look(plan).await?;
            if self
                .carrier
                .carry(&plan.stack)
                .await
                .map_err(|finding| vec![finding])?
            {
                // What was not there to be looked at is now.
                proof = self.inspection.inspect(plan).await?;
            }
            self.drivers
                .prepare(&plan.stack)
                .await
                .map_err(|error| vec![error.to_string()])?;
            Ok(proof)
        })
    }

    fn look<'a>(&'a self, plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(Self::look(self, plan))
    }

    fn draw(&self, plan: Plan, seed: u64) -> Answer<'_, Plan> {
        self.inspection.draw(plan, seed)
    }

    fn prove<'a>(
        &'a self,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        self.inspection.prove(stack, injection)
    }
}

impl Preflight {
    /// Reads, and touches nothing: no port is taken either.
    async fn look(&self, plan: &Plan) -> Result<Vec<String>, Vec<String>> {
        let mut findings = self.refused_programs(plan);
        findings.extend(self.drivers.refused_by_protection(plan).await);
        findings.extend(self.drivers.held(plan).await);
        findings.extend(self.drivers.unfit(plan).await);
        findings.extend(self.notifier.refused(plan));
        match self.inspection.inspect(plan).await {
            Ok(proof) if findings.is_empty() => Ok(proof),
            Ok(_) => Err(findings),
            Err(more) => {
                findings.extend(more);
                Err(findings)
            }
        }
    }

    /// Programs of the plan that the server's configuration does not list.
    fn refused_programs(&self, plan: &Plan) -> Vec<String> {
        let Some(allowed) = &self.programs else {
            return Vec::new();
        };
        let commands = programs(plan).map(|program| &program.command);
        let named: BTreeSet<&str> = commands
            .chain(plan.injections.iter().flat_map(inside))
            .filter_map(|command| command.first())
            .map(String::as_str)
            .collect();
        named
            .into_iter()
            .filter(|program| !allowed.contains(*program))
            .map(|program| format!("`{program}` is not among the server's `programs`; hint: add it to the file of `--config`"))
            .collect()
    }
}

/// Every program a plan may run.
fn programs(plan: &Plan) -> impl Iterator<Item = &Program> {
    let probes = plan
        .stack
        .probes
        .values()
        .filter_map(|probe| match &probe.ask {
            Ask::Process(program) => Some(program),
            _ => None,
        });
    let hooks = plan
        .injections
        .iter()
        .filter_map(|injection| match &injection.act {
            Act::Hook(hook) => Some(hook),
            _ => None,
        });
    let hooked = hooks.flat_map(Hook::calls);
    let remedies = plan
        .drill
        .iter()
        .flat_map(|exercise| &exercise.drill.remedies);
    let remedied = remedies.flat_map(Remedy::calls);
    probes.chain(hooked.chain(remedied).filter_map(|call| match call {
        Call::Run(program) => Some(program),
        Call::Http(_) => None,
    }))
}

/// Every command that an injection runs inside a container.
fn inside(injection: &Injection) -> impl Iterator<Item = &Vec<String>> {
    let exec = match &injection.act {
        Act::Container {
            action: ContainerAction::Exec(exec),
            ..
        } => Some(exec),
        _ => None,
    };
    exec.into_iter().flat_map(|exec| exec.commands())
}

/// The platform's data folder of firedrill, else one beside the working folder.
pub fn default_data() -> PathBuf {
    directories::ProjectDirs::from("", "", "firedrill").map_or_else(
        || Path::new("data").to_owned(),
        |dirs| dirs.data_local_dir().to_owned(),
    )
}
