//! Process probes: a program run to its end, in a process group of its own.
//!
//! Invariants: no shell; nothing of the group outlives the question, however the question ends: answered, late, or
//! dropped. A program that leaves its group on purpose (`setsid`) is beyond that. What it prints is read while it runs,
//! so that a full pipe never blocks it, and kept only in part.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::http::askable;
use super::{judged, late};
use crate::engine::watch::SampleResult;
use crate::model::probe::{Expect, Program};

/// How much of the end of both outputs is kept for the reason.
const KEPT_TAIL: usize = 4 << 10;
/// How much of standard output is kept for `body` and `json`.
const KEPT_ANSWER: usize = 64 << 10;
/// How many last lines, and characters of them, go into a reason.
const QUOTED_LINES: usize = 3;
const QUOTED_CHARS: usize = 300;
/// How long to wait for the end of the outputs once the group is dead. Only a program that left the group can still
/// hold them open, and it is not waited for.
const DRAIN: Duration = Duration::from_millis(100);

pub(super) async fn ask(program: &Program, expect: &Expect) -> SampleResult {
    if let Err(why) = askable(expect) {
        return SampleResult::Unknown(why);
    }
    let running = match Running::start(program) {
        Ok(running) => running,
        Err(why) => return SampleResult::Unknown(why),
    };
    let within = expect.within.duration();
    match tokio::time::timeout(within, running.end()).await {
        Ok(Ok((status, printed))) => judge(status, &printed, expect),
        Ok(Err(error)) => SampleResult::Unknown(format!("could not wait for it: {error}")),
        Err(_) => SampleResult::Failed(late(within)),
    }
}

fn judge(status: ExitStatus, printed: &Printed, expect: &Expect) -> SampleResult {
    let ended = match status.signal() {
        Some(signal) => Err(format!("killed by {}", signal_name(signal))),
        None => expect.judge_exit(status.code()),
    };
    if let Err(why) = ended {
        return SampleResult::Failed(match printed.last_lines() {
            lines if lines.is_empty() => why,
            lines => format!("{why}: {lines}"),
        });
    }
    let reads_answer = expect.body.is_some() || !expect.json.is_empty();
    if reads_answer && printed.answer_is_cut {
        return SampleResult::Failed(format!("it printed more than {} KiB", KEPT_ANSWER >> 10));
    }
    judged(expect.judge_body(&printed.answer))
}

/// A started program. Dropping it kills its whole group, then lets the runtime reap the leader.
struct Running {
    // Before `child`, so that it is dropped first: the leader is not reaped then, and its id can't be another's yet.
    group: Group,
    child: Child,
}

impl Running {
    fn start(program: &Program) -> Result<Self, String> {
        let (name, arguments) = program
            .command
            .split_first()
            .ok_or_else(|| "no program is named".to_owned())?;
        let could_not = |error: &io::Error| format!("could not start {name}: {error}");
        let folder = match &program.folder {
            Some(folder) => {
                let folder = std::path::absolute(folder).map_err(|error| could_not(&error))?;
                if !folder.is_dir() {
                    // Else the system says "no such file" and means the folder.
                    return Err(format!(
                        "could not start {name}: its folder {} is not there",
                        folder.display()
                    ));
                }
                Some(folder)
            }
            None => None,
        };
        let mut command = Command::new(located(name, folder.as_deref()));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let child = command.spawn().map_err(|error| could_not(&error))?;
        let group = Group(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        );
        Ok(Self { group, child })
    }

    /// Waits for the leader, ends what it left behind, and collects what was printed.
    async fn end(mut self) -> io::Result<(ExitStatus, Printed)> {
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let mut printed = Printed::default();
        let (mut from_out, mut from_err) = ([0; 4096], [0; 4096]);
        // Reading and waiting are both cancel-safe: what one branch has not returned stays where it is.
        let status = loop {
            tokio::select! {
                read = next(&mut out, &mut from_out) => printed.take_out(&from_out[..read]),
                read = next(&mut err, &mut from_err) => printed.take_err(&from_err[..read]),
                status = self.child.wait() => break status?,
            }
        };
        // The leader has just been reaped. Its id can't have been given to another group yet: the group's survivors
        // hold it, and without survivors nobody could have gone through all other ids since the line above.
        self.group.kill();
        let _ = tokio::time::timeout(DRAIN, async {
            while out.is_some() || err.is_some() {
                tokio::select! {
                    read = next(&mut out, &mut from_out) => printed.take_out(&from_out[..read]),
                    read = next(&mut err, &mut from_err) => printed.take_err(&from_err[..read]),
                }
            }
        })
        .await;
        Ok((status, printed))
    }
}

/// The next bytes; at its end the stream is gone, and with it the branch: a stream that is gone is never ready.
async fn next(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(open) = stream else {
        return std::future::pending().await;
    };
    match open.read(buffer).await {
        Ok(read) if read > 0 => read,
        _ => {
            *stream = None;
            0
        }
    }
}

/// A relative path is found in the program's folder, a bare name on the `PATH`. A bare name is never looked for in the
/// folder: a file there must not take the place of a system program.
fn located(name: &str, folder: Option<&Path>) -> PathBuf {
    match folder {
        Some(folder) if name.contains('/') => folder.join(name),
        _ => PathBuf::from(name),
    }
}

/// A process group that is killed once, at the latest when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // That it is gone already is the only error there can be: we started it, as ourselves.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a program printed, as far as it is kept.
#[derive(Default)]
struct Printed {
    /// The beginning of standard output.
    answer: Vec<u8>,
    answer_is_cut: bool,
    /// The end of both, as they came.
    tail: Vec<u8>,
}

impl Printed {
    fn take_out(&mut self, bytes: &[u8]) {
        let room = KEPT_ANSWER - self.answer.len();
        self.answer_is_cut |= bytes.len() > room;
        self.answer
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.take_err(bytes);
    }

    fn take_err(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let over = self.tail.len().saturating_sub(KEPT_TAIL);
        self.tail.drain(..over);
    }

    /// The last lines in one, without what could disturb a terminal.
    fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let mut lines: Vec<&str> = text
            .lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(QUOTED_LINES)
            .collect();
        lines.reverse();
        let joined: String = lines
            .join(" / ")
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match joined.char_indices().nth_back(QUOTED_CHARS) {
            Some((before, c)) => format!("…{}", &joined[before + c.len_utf8()..]),
            None => joined,
        }
    }
}

fn signal_name(number: i32) -> String {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
    ];
    names
        .iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map_or_else(
            || format!("signal {number}"),
            |(_, name)| (*name).to_owned(),
        )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::engine::watch::Sample;
    use crate::model::probe::Ask;
    use crate::ports::Prober;
    use crate::probes::fixture::{line, probe, probes, sample, within};

    /// A folder of scripts, gone when it is dropped.
    struct Scripts(PathBuf);

    impl Scripts {
        fn new(test: &str) -> Self {
            let name = format!("firedrill-process-{}-{test}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        /// Writes a script by a shell of its own: a file this process has open for writing, which a child forked by
        /// another test would inherit, can't be executed.
        fn with(self, name: &str, text: &str) -> Self {
            let path = self.0.join(name);
            let written = std::process::Command::new("sh")
                .args([
                    "-c",
                    "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"",
                    "sh",
                    text,
                ])
                .arg(&path)
                .status()
                .expect("a shell");
            assert!(written.success());
            self
        }

        fn program(&self, command: &[&str]) -> Program {
            Program {
                command: command.iter().map(|&part| part.to_owned()).collect(),
                folder: Some(self.0.display().to_string()),
            }
        }

        async fn run(&self, command: &[&str], expect: Expect) -> String {
            let said = line(
                &sample(Ask::Process(self.program(command)), expect).await,
                &[],
            );
            said.replace(&self.0.display().to_string(), "FOLDER")
        }
    }

    impl Drop for Scripts {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn shell(text: &str) -> Program {
        Program {
            command: vec!["sh".into(), "-c".into(), text.into()],
            folder: None,
        }
    }

    async fn run(text: &str, expect: Expect) -> Sample {
        sample(Ask::Process(shell(text)), expect).await
    }

    async fn said(text: &str, expect: Expect) -> String {
        line(&run(text, expect).await, &[])
    }

    #[tokio::test]
    async fn an_exit_as_expected_passes() {
        assert_eq!(said("exit 0", within(5000)).await, "passed");
        let three = Expect {
            exit: Some(3),
            ..within(5000)
        };
        assert_eq!(said("exit 3", three.clone()).await, "passed");
        insta::assert_snapshot!(said("exit 0", three).await, @"failed: exit 0, expected 3");
    }

    #[tokio::test]
    async fn another_exit_fails_with_the_last_lines_printed() {
        insta::assert_snapshot!(said("exit 4", within(5000)).await, @"failed: exit 4, expected 0");
        insta::assert_snapshot!(
            said("for i in 1 2 3 4 5; do echo line $i >&2; done; exit 1", within(5000)).await,
            @"failed: exit 1, expected 0: line 3 / line 4 / line 5"
        );
        insta::assert_snapshot!(
            said("printf 'backup is \\033[31mold\\033[0m\\n\\n'; exit 1", within(5000)).await,
            @"failed: exit 1, expected 0: backup is  [31mold [0m"
        );
    }

    #[tokio::test]
    async fn a_signal_is_named() {
        insta::assert_snapshot!(said("echo dying; kill -TERM $$", within(5000)).await, @"failed: killed by SIGTERM: dying");
        insta::assert_snapshot!(said("kill -9 $$", within(5000)).await, @"failed: killed by SIGKILL");
    }

    #[tokio::test]
    async fn what_is_printed_can_be_expected() {
        let expect = Expect {
            json: [("$.age".to_owned(), 3.into())].into(),
            ..within(5000)
        };
        let age = |age: u32| format!("echo noise >&2; echo '{{\"age\": {age}}}'");
        assert_eq!(said(&age(3), expect.clone()).await, "passed");
        insta::assert_snapshot!(said(&age(4), expect.clone()).await, @"failed: $.age is 4, expected 3");
        let long = "head -c 100000 /dev/zero | tr '\\0' ' '; echo '{\"age\": 3}'";
        insta::assert_snapshot!(said(long, expect).await, @"failed: it printed more than 64 KiB");
    }

    #[tokio::test]
    async fn megabytes_on_both_outputs_neither_block_nor_are_kept() {
        let noisy = "head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2; exit 1";
        let said = said(noisy, within(10_000)).await;
        assert!(said.starts_with("failed: exit 1, expected 0: …"), "{said}");
        assert!(said.chars().count() < QUOTED_CHARS + 50, "{said}");
        let mut printed = Printed::default();
        for _ in 0..100 {
            printed.take_out(&[b'x'; 4096]);
        }
        assert_eq!(
            (printed.answer.len(), printed.tail.len()),
            (KEPT_ANSWER, KEPT_TAIL)
        );
    }

    #[tokio::test]
    async fn programs_are_found_in_their_folder_or_on_the_path_and_run_there() {
        let scripts = Scripts::new("found")
            .with(
                "check",
                "#!/bin/sh\n[ \"$1\" = \"a b\" ] && [ -f ./check ]\n",
            )
            .with("true", "#!/bin/sh\nexit 1\n");
        assert_eq!(
            scripts.run(&["./check", "a b"], within(5000)).await,
            "passed"
        );
        // The one on the path, not the file of that name in the folder.
        assert_eq!(scripts.run(&["true"], within(5000)).await, "passed");
        assert_eq!(
            scripts.run(&["./true"], within(5000)).await,
            "failed: exit 1, expected 0"
        );
    }

    #[tokio::test]
    async fn a_relative_folder_is_meant_from_where_firedrill_runs() {
        let here = std::env::current_dir().expect("a working folder");
        let scripts = Scripts::new("relative").with("check", "#!/bin/sh\nexit 0\n");
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let relative = up.join(scripts.0.strip_prefix("/").expect("an absolute folder"));
        let program = Program {
            command: vec!["./check".into()],
            folder: Some(relative.display().to_string()),
        };
        let sample = sample(Ask::Process(program), within(5000)).await;
        assert_eq!(sample.result, SampleResult::Passed);
    }

    #[tokio::test]
    async fn what_can_not_be_started_is_unknown() {
        let scripts = Scripts::new("unstartable")
            .with("no-program", "neither a binary nor a script\n")
            .with("forbidden", "#!/bin/sh\nexit 0\n")
            .with("orphan", "#!/nowhere/interpreter\n");
        let forbidden = fs::Permissions::from_mode(0o644);
        fs::set_permissions(scripts.0.join("forbidden"), forbidden).expect("permissions");
        let mut gone = scripts.program(&["./check"]);
        gone.folder = Some(format!("{}/gone", scripts.0.display()));
        let gone = line(&sample(Ask::Process(gone), within(5000)).await, &[]);
        let texts = [
            scripts.run(&["./absent"], within(5000)).await,
            scripts.run(&["absent-from-the-path"], within(5000)).await,
            scripts.run(&["./forbidden"], within(5000)).await,
            scripts.run(&["./no-program"], within(5000)).await,
            scripts.run(&["./orphan"], within(5000)).await,
            scripts.run(&[], within(5000)).await,
            gone.replace(&scripts.0.display().to_string(), "FOLDER"),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
unknown: could not start ./absent: No such file or directory (os error 2)
unknown: could not start absent-from-the-path: No such file or directory (os error 2)
unknown: could not start ./forbidden: Permission denied (os error 13)
unknown: could not start ./no-program: Exec format error (os error 8)
unknown: could not start ./orphan: No such file or directory (os error 2)
unknown: no program is named
unknown: could not start ./check: its folder FOLDER/gone is not there
"#);
    }

    #[tokio::test]
    async fn standard_input_is_empty() {
        assert_eq!(said("[ -z \"$(cat)\" ]", within(5000)).await, "passed");
    }

    /// The ids of the script's process and of its two descendants, once it has written them down.
    async fn family(file: &Path) -> Vec<u32> {
        for _ in 0..500 {
            let text = fs::read_to_string(file).unwrap_or_default();
            let ids: Vec<u32> = text.lines().filter_map(|id| id.parse().ok()).collect();
            if ids.len() == 3 && text.ends_with('\n') {
                return ids;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the script did not start");
    }

    fn is_there(id: u32) -> bool {
        Path::new(&format!("/proc/{id}")).exists()
    }

    /// Gone, or a zombie that only waits for whoever inherited it.
    fn is_alive(id: u32) -> bool {
        fs::read_to_string(format!("/proc/{id}/stat"))
            .ok()
            .and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().chars().next()? != 'Z'))
            .unwrap_or(false)
    }

    async fn all_gone(family: &[u32]) {
        for _ in 0..500 {
            // Our own child must be reaped as well; its descendants are somebody else's to reap.
            if !is_there(family[0]) && !family.iter().any(|&id| is_alive(id)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("some of {family:?} are still there");
    }

    /// Ignores polite signals, as do its child and grandchild.
    const FAMILY: &str = "#!/bin/sh
trap '' TERM HUP INT
: > ids
sh -c 'sleep 300 & echo $! >> ids; echo $$ >> ids; wait' &
while [ \"$(wc -l < ids)\" != 2 ]; do sleep 0.01; done
{ echo $$; cat ids; } > family.new && mv family.new family
";

    #[tokio::test]
    async fn the_deadline_ends_children_and_grandchildren() {
        let scripts = Scripts::new("deadline").with("check", &format!("{FAMILY}wait\n"));
        let ask = Ask::Process(scripts.program(&["./check"]));
        let sample = sample(ask, within(1500)).await;
        insta::assert_snapshot!(line(&sample, &[]), @"failed: no answer within 1500 ms");
        assert_eq!(sample.took, Duration::from_millis(1500));
        all_gone(&family(&scripts.0.join("family")).await).await;
    }

    #[tokio::test]
    async fn dropping_the_question_ends_children_and_grandchildren() {
        let scripts = Scripts::new("dropped").with("check", &format!("{FAMILY}wait\n"));
        let probes = probes();
        let probe = probe(Ask::Process(scripts.program(&["./check"])), within(60_000));
        let written = scripts.0.join("family");
        let family = tokio::select! {
            sample = probes.ask(&probe) => panic!("it ended: {sample:?}"),
            family = family(&written) => family,
        };
        all_gone(&family).await;
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_is_ended_and_its_open_outputs_do_not_delay_the_answer() {
        let scripts =
            Scripts::new("leftover").with("check", &format!("{FAMILY}echo left; exit 2\n"));
        let ask = Ask::Process(scripts.program(&["./check"]));
        let sample = sample(ask, within(10_000)).await;
        insta::assert_snapshot!(line(&sample, &[]), @"failed: exit 2, expected 0: left");
        assert!(sample.took < Duration::from_secs(5), "{sample:?}");
        all_gone(&family(&scripts.0.join("family")).await).await;
    }

    #[tokio::test]
    async fn an_output_held_open_beyond_the_group_does_not_delay_the_answer() {
        let sample = run("setsid sleep 3 & exit 0", within(2500)).await;
        assert_eq!(sample.result, SampleResult::Passed);
    }
}
