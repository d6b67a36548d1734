//! A program that is attended to the end. On its own: signals are for the whole process, and so for all its tests.

use std::path::Path;
use std::time::Duration;

use stackwarden::process::{Command, Environment, Interrupt};

#[test]
fn its_code_is_given_and_what_we_are_sent_is_passed_on() {
    let ended = |script: &str| {
        let environment = Environment::default().with("PATH", "/usr/bin:/bin");
        let shell = Path::new("/bin/sh");
        let command = Command::new(shell, &environment, Duration::MAX, &Interrupt::never());
        command.args(["-c", script]).attend().unwrap()
    };
    assert_eq!(ended("exit 3"), 3);
    assert_eq!(ended("kill -KILL $$"), 128 + 9);
    // A terminal sends these to both; we go on.
    assert_eq!(ended("kill -INT $PPID; kill -QUIT $PPID; exit 4"), 4);
    for signal in ["TERM", "HUP"] {
        let script = format!("trap 'exit 5' TERM; kill -{signal} $PPID; while :; do sleep 0.1; done");
        assert_eq!(ended(&script), 5, "{signal}");
    }
}
