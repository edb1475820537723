use std::fs;

use insta::assert_snapshot;

use super::drill::{DRILL, EXPERIMENT, RUNBOOK, TEAM};
use super::*;
use crate::model::fault::Call;
use crate::spec::{Findings, load_plan, validate};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("firedrill-spec-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn put(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    fn text(&self, findings: &Findings) -> String {
        tidy(&findings.render(false)).replace(&*self.0.to_string_lossy(), "TMP")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_drill_finds_what_it_needs_beside_its_folder() {
    let folder = Folder::new("library");
    folder.put("stacks/wallet.yaml", STACK);
    folder.put("experiments/token.yml", EXPERIMENT);
    folder.put("runbooks/authentication.md", RUNBOOK);
    folder.put("teams/oncall.yaml", TEAM);
    folder.put("README.md", "# Not a runbook\n");
    folder.put("stacks/.hidden.yaml", "kind: [");
    let drill = folder.put("drills/bad-token.yaml", DRILL);
    let plan = load_plan(&drill, &Options::default())
        .map_err(|f| folder.text(&f))
        .expect("a plan");
    assert_eq!(plan.files.len(), 5);
    // Programs are found again from everywhere.
    let drills = fs::canonicalize(folder.0.join("drills")).expect("a folder");
    let exercise = plan.drill.expect("a drill");
    let Some(Call::Run(program)) = &exercise.drill.remedies[2].act else {
        panic!("not a program");
    };
    assert_eq!(program.folder.as_deref(), drills.to_str());
    let report = validate(std::slice::from_ref(&folder.0), &Options::default());
    assert_eq!(folder.text(&report.findings), "");
    assert_eq!(report.files.len(), 5);
    let items = Library::new(Options::default()).items(std::slice::from_ref(&folder.0));
    assert_eq!(items.len(), 5);
}

#[test]
fn stacks_come_from_the_folder_that_is_given() {
    let folder = Folder::new("stacks");
    folder.put("elsewhere/wallet.yaml", STACK);
    let experiment = folder.put("e/token.yaml", EXPERIMENT);
    let nowhere = load_plan(&experiment, &Options::default()).expect_err("no stack");
    assert!(
        folder.text(&nowhere).contains("error[unknown-file]"),
        "{}",
        folder.text(&nowhere)
    );
    let options = Options {
        stacks_dir: Some(folder.0.join("elsewhere")),
        ..Options::default()
    };
    assert!(load_plan(&experiment, &options).is_ok());
    // A library holds stacks too.
    folder.put("library/stacks/wallet.yaml", STACK);
    let options = Options {
        library_dir: Some(folder.0.join("library")),
        ..Options::default()
    };
    assert!(load_plan(&experiment, &options).is_ok());
}

#[test]
fn a_stack_that_is_broken_stops_its_experiment_and_is_shown() {
    let folder = Folder::new("broken");
    folder.put(
        "stacks/wallet.yaml",
        STACK.replace("environment: staging", "environment: 5"),
    );
    folder.put("stacks/other.yaml", "kind: [");
    let experiment = folder.put("experiments/token.yaml", EXPERIMENT);
    let findings = load_plan(&experiment, &Options::default()).expect_err("no plan");
    assert_snapshot!(folder.text(&findings), @r#"
    error[wrong-type]: expected a text, found a number
     --> TMP/stacks/wallet.yaml:4:14
      |
    4 | environment: 5
      |              ^
      |
      = help: quote it to make it a text: "5"
    "#);
}

#[test]
fn a_huge_file_is_refused_unread() {
    let folder = Folder::new("huge");
    let path = folder.put("huge.yaml", "");
    let file = fs::File::options().write(true).open(&path).expect("a file");
    file.set_len(100 << 20).expect("a sparse file");
    let report = validate(&[path], &Options::default());
    assert_snapshot!(folder.text(&report.findings), @r"
    error[too-large]: this file is larger than 1048576 bytes
    --> TMP/huge.yaml
     = help: a file of firedrill is written by people: is it the right one?
    ");
}

#[test]
fn bytes_that_are_not_utf_8_are_counted() {
    let folder = Folder::new("latin");
    let path = folder.put("latin.yaml", b"kind: Team\nname: t\xfcm\n");
    let report = validate(&[path], &Options::default());
    assert_snapshot!(folder.text(&report.findings), @r"
    error[not-utf-8]: this file is not UTF-8: byte 18 is 0xfc
    --> TMP/latin.yaml
     = help: save it as UTF-8
    ");
}

#[test]
fn a_file_that_is_not_there_is_a_finding() {
    let folder = Folder::new("absent");
    let report = validate(&[folder.0.join("absent.yaml")], &Options::default());
    assert_snapshot!(folder.text(&report.findings), @r"
    error[unreadable-file]: this file can't be read: No such file or directory (os error 2)
    --> TMP/absent.yaml
    ");
}
