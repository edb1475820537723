//! Process probes: a program run to its end, and nothing of it left behind.

use super::http::askable;
use super::{judged, late};
use crate::engine::watch::SampleResult;
use crate::model::probe::{Expect, Program};
use crate::program::{self, Ended, Leftovers, RunError};
use crate::secret::Environment;

pub(super) async fn ask(
    program: &Program,
    environment: &Environment,
    expect: &Expect,
) -> SampleResult {
    if let Err(why) = askable(expect) {
        return SampleResult::Unknown(why);
    }
    let within = expect.within.duration();
    match program::run(program, environment, within, Leftovers::Killed).await {
        Ok(ended) => judge(&ended, expect),
        Err(RunError::Late(within)) => SampleResult::Failed(late(within)),
        Err(why) => SampleResult::Unknown(match program.command.first() {
            Some(name) => format!("program {name}: {why}"),
            None => why.to_string(),
        }),
    }
}

fn judge(ended: &Ended, expect: &Expect) -> SampleResult {
    match ended.judge_end(expect) {
        Ok(()) => judged(ended.judge_answer(expect)),
        Err(why) => SampleResult::Failed(match ended.last_lines() {
            lines if lines.is_empty() => why,
            lines => format!("{why}: {lines}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::watch::Sample;
    use crate::model::probe::Ask;
    use crate::ports::Prober;
    use crate::probes::fixture::{line, probe, probes, sample, within};
    use crate::program::scripts::{FAMILY, Scripts, all_gone, shell};

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
    async fn megabytes_on_both_outputs_fail_with_little_of_them() {
        let noisy = "head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2; exit 1";
        let said = said(noisy, within(10_000)).await;
        assert!(said.starts_with("failed: exit 1, expected 0: …"), "{said}");
        assert!(said.chars().count() < 350, "{said}");
    }

    #[tokio::test]
    async fn what_can_not_be_asked_is_unknown() {
        let absent = Program {
            command: vec!["absent-from-the-path".into()],
            folder: None,
        };
        let nameless = Program {
            command: Vec::new(),
            folder: None,
        };
        let unset = Program {
            command: vec!["true".into(), "${env:FIREDRILL_TEST_UNSET}".into()],
            folder: None,
        };
        let mut texts = Vec::new();
        for program in [absent, nameless, unset] {
            texts.push(line(
                &sample(Ask::Process(program), within(5000)).await,
                &[],
            ));
        }
        insta::assert_snapshot!(texts.join("\n"), @r#"
unknown: program absent-from-the-path: it could not be started: No such file or directory (os error 2)
unknown: no program is named
unknown: program true: the environment variable `FIREDRILL_TEST_UNSET` is not set
"#);
    }

    #[tokio::test]
    async fn a_late_program_fails_and_nothing_of_it_is_left() {
        let scripts = Scripts::new("probe-late").with("check", &format!("{FAMILY}wait\n"));
        let ask = Ask::Process(scripts.program(&["./check"]));
        let sample = sample(ask, within(1500)).await;
        insta::assert_snapshot!(line(&sample, &[]), @"failed: no answer within 1500 ms");
        assert_eq!(sample.took, Duration::from_millis(1500));
        all_gone(&scripts.family().await).await;
    }

    #[tokio::test]
    async fn a_dropped_question_leaves_nothing() {
        let scripts = Scripts::new("probe-dropped").with("check", &format!("{FAMILY}wait\n"));
        let probes = probes();
        let probe = probe(Ask::Process(scripts.program(&["./check"])), within(60_000));
        let family = tokio::select! {
            sample = probes.ask(&probe) => panic!("it ended: {sample:?}"),
            family = scripts.family() => family,
        };
        all_gone(&family).await;
    }

    #[tokio::test]
    async fn what_an_answering_program_leaves_behind_is_ended() {
        let scripts =
            Scripts::new("probe-leftover").with("check", &format!("{FAMILY}echo left; exit 2\n"));
        let ask = Ask::Process(scripts.program(&["./check"]));
        let sample = sample(ask, within(10_000)).await;
        insta::assert_snapshot!(line(&sample, &[]), @"failed: exit 2, expected 0: left");
        assert!(sample.took < Duration::from_secs(5), "{sample:?}");
        all_gone(&scripts.family().await).await;
    }
}
