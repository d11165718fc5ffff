//! A real server process on a free loopback port, with its own data folder.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts `quivive serve` with the demo seed on the given data folder and waits until it is ready.
    ///
    /// # Panics
    /// When the binary is missing or the server is not ready within 20 s.
    pub fn start(data: &Path, extra: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("free port")
            .port();
        let address = format!("127.0.0.1:{port}");
        let seed = crate::root().join("server/seeds/demo.toml");
        let mut child = Command::new(binary())
            .args(["serve", "--listen", &address])
            .arg("--data")
            .arg(data)
            .arg("--seed")
            .arg(seed)
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let errors = child.stderr.take().expect("piped");
        std::thread::spawn(move || BufReader::new(errors).lines().map_while(Result::ok).for_each(drop));
        let server = Self { child, address };
        server.wait_until_ready();
        server
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The id of the process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            if self.is_ready().unwrap_or(false) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server at {} is not ready after {START_LIMIT:?}", self.address);
    }
}

impl Server {
    fn is_ready(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's binary, beside this program or beside the folder that it lies in.
fn binary() -> PathBuf {
    let program = std::env::current_exe().expect("path of this program");
    let name = format!("quivive{}", std::env::consts::EXE_SUFFIX);
    let found =
        program.ancestors().skip(1).take(2).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.expect("the server is built: `cargo build -p quivive-server`")
}
