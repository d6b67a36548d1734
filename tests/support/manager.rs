//! An isolated, real `systemd --user`, in a directory that is its whole world.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for reading and writing state are for the product; these are a test's files"
)]

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use stackwarden::dirs::Dirs;
use tempfile::TempDir;

/// A running manager. Dropping it ends everything it started and removes its directory; so does the
/// death of the test program, because the script that guards the manager waits for a pipe from here.
#[derive(Debug)]
pub struct Manager {
    dir: TempDir,
    guard: Child,
    pid: u32,
    path: OsString,
    below: PathBuf,
}

impl Manager {
    /// Starts a manager and waits until its bus answers. `PATH` is the test's own.
    pub fn start() -> Self {
        Self::start_with_path(&std::env::var_os("PATH").unwrap())
    }

    /// The same, with the user's own directories (home, configuration, state, data) in one of this name. The runtime
    /// directory, whose name the system chooses, is outside.
    pub fn start_below(name: &str) -> Self {
        Self::launch(&std::env::var_os("PATH").unwrap(), Path::new(name), &[])
    }

    /// The same, with another `PATH` for the manager, its units and [`Manager::command`].
    pub fn start_with_path(path: &OsStr) -> Self {
        Self::launch(path, Path::new(""), &[])
    }

    /// The same as [`Manager::start`], with unit files that are in the owner directory from the start. It answers, but
    /// need not have finished its startup.
    pub fn start_with_units(units: &[(&str, &str)]) -> Self {
        Self::launch(&std::env::var_os("PATH").unwrap(), Path::new(""), units)
    }

    fn launch(path: &OsStr, below: &Path, units: &[(&str, &str)]) -> Self {
        let seed = TempDir::new().unwrap();
        for (name, text) in units {
            write(seed.path().join(name), text);
        }
        // Socket paths are at most 107 bytes long: a short name in the temporary directory.
        let dir = tempfile::Builder::new().prefix("sw").tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/manager");
        let mut guard = Command::new(script)
            .arg(dir.path())
            .arg(below)
            .env("PATH", path)
            .env("UNITS", seed.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the test program; the guard then sees its pipe close, and cleans up.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(pid) = line.strip_prefix("ready ") else {
            let status = guard.wait().unwrap();
            panic!("no user manager for this test ({status}); the reason is above");
        };
        let pid = pid.trim_end().parse().unwrap();
        let below = dir.path().join(below);
        Self { dir, guard, pid, path: path.to_owned(), below }
    }

    /// The manager's own process, for a test that stops (SIGSTOP) or kills it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The directory that everything is in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `$XDG_CONFIG_HOME`.
    pub fn config(&self) -> PathBuf {
        self.below.join("config")
    }

    /// `$XDG_STATE_HOME`.
    pub fn state(&self) -> PathBuf {
        self.below.join("state")
    }

    /// `$XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> PathBuf {
        self.dir().join("run")
    }

    /// The owner directory, `$XDG_CONFIG_HOME/systemd/user`.
    pub fn owner(&self) -> PathBuf {
        self.below.join("config/systemd/user")
    }

    /// Stands in for `/etc/systemd/user`.
    pub fn etc(&self) -> PathBuf {
        self.dir().join("etc")
    }

    /// Stands in for `/usr/lib/systemd/user`.
    pub fn usr(&self) -> PathBuf {
        self.dir().join("usr")
    }

    /// All of the environment that a program of this manager's user has.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let at = |name: &str| self.dir().join(name).into_os_string();
        let own = |name: &str| self.below.join(name).into_os_string();
        let mut bus = OsString::from("unix:path=");
        bus.push(at("run/bus"));
        vec![
            ("HOME", own("home")),
            ("PATH", self.path.clone()),
            ("LANG", "C.UTF-8".into()),
            ("XDG_RUNTIME_DIR", at("run")),
            ("XDG_CONFIG_HOME", own("config")),
            ("XDG_DATA_HOME", own("data")),
            ("XDG_STATE_HOME", own("state")),
            ("XDG_CACHE_HOME", own("cache")),
            ("XDG_CONFIG_DIRS", at("none")),
            ("XDG_DATA_DIRS", at("none")),
            ("DBUS_SESSION_BUS_ADDRESS", bus),
        ]
    }

    /// A program that runs as this manager's user would start it, in the home directory.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.environment())
            .current_dir(self.below.join("home"))
            .stdin(Stdio::null());
        command
    }

    /// `systemctl --user` with `args`, whatever it returns.
    pub fn try_systemctl(&self, args: &[&str]) -> Output {
        self.command("systemctl").args(["--user", "--no-pager"]).args(args).output().unwrap()
    }

    /// `systemctl --user` with `args`, and what it printed.
    ///
    /// # Panics
    ///
    /// When it fails, with what it said.
    #[track_caller]
    pub fn systemctl(&self, args: &[&str]) -> String {
        let output = self.try_systemctl(args);
        assert!(
            output.status.success(),
            "systemctl --user {args:?}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// One property of a unit, as `systemctl show --value` prints it.
    #[track_caller]
    pub fn property(&self, unit: &str, property: &str) -> String {
        let value = self.systemctl(&["show", "--value", "--property", property, unit]);
        value.trim_end().to_owned()
    }

    /// Writes a unit file, or a drop-in such as `web.service.d/10.conf`, into the owner directory, and
    /// returns its path. Nothing is reloaded.
    #[track_caller]
    pub fn write_unit(&self, name: &str, text: &str) -> PathBuf {
        write(self.owner().join(name), text)
    }

    /// The same directories, as the product takes them from the environment.
    pub fn dirs(&self) -> Dirs {
        Dirs {
            user: "root".to_owned(),
            home: self.below.join("home"),
            config_home: self.config(),
            state_home: self.state(),
            data_home: self.below.join("data"),
            cache_home: self.below.join("cache"),
            runtime: self.runtime(),
        }
    }

    /// What the manager itself has logged so far. (There is no journal: a unit whose output a test
    /// wants has `StandardOutput=append:FILE`.)
    pub fn log(&self) -> String {
        fs_err::read_to_string(self.dir().join("log")).unwrap()
    }
}

/// Writes a file, in place if it is there, and the directories above it; returns its path.
#[track_caller]
pub fn write(file: impl Into<PathBuf>, text: &str) -> PathBuf {
    let file = file.into();
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(&file, text).unwrap();
    file
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Closing the pipe is the signal; the guard has removed the directory when it ends.
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            // A panic here, while another one unwinds, would abort and hide that one's message.
            assert!(std::thread::panicking(), "the manager's guard: {error}");
        }
    }
}
