//! Agents that sign with packages which nobody here wrote, before the server and the guards of `examples/`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::renew;
use crate::step;

/// What the agents of a run share: a folder with their key and their directory's certificate, and its port.
pub struct Signers {
    folder: PathBuf,
    port: u16,
}

impl Signers {
    /// Makes key, certificate and a configuration by which a server trusts both.
    ///
    /// # Errors
    /// When there is no `openssl`, no port or no place to write.
    pub fn prepare(target: &Path) -> Result<Self, String> {
        let folder = target.join("signers");
        renew(&folder).map_err(|failure| failure.message)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.map_err(|error| error.to_string())?.port();
        let openssl = |words: &str| {
            step::output(Command::new("openssl").args(words.split(' ')).current_dir(&folder)).map(drop)
        };
        openssl("genpkey -algorithm ed25519 -out agent.pem")?;
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
             -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
             -keyout key.pem -out certificate.pem",
        )?;
        let read = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
        let write =
            |name: &str, text: String| fs::write(folder.join(name), text).map_err(|error| error.to_string());
        write("server.pem", read("certificate.pem")? + &read("key.pem")?)?;
        let this = Self { folder: folder.clone(), port };
        let (certificate, origin) = (this.certificate(), this.origin());
        write(
            "server.toml",
            format!(
                "[outbound]\nallow_private = [\"127.0.0.1/32\"]\ncertificates = {certificate:?}\n\n\
                 [verification]\nsignature_agents = [{origin:?}]\n"
            ),
        )?;
        write("port", port.to_string())?;
        Ok(this)
    }

    /// Those that an outer run has prepared.
    ///
    /// # Errors
    /// When there are none.
    pub fn prepared(target: &Path) -> Result<Self, String> {
        let folder = target.join("signers");
        let port = fs::read_to_string(folder.join("port")).map_err(|error| error.to_string())?;
        Ok(Self { port: port.parse().map_err(|_| "the port of the signers cannot be read")?, folder })
    }

    /// The configuration of the server.
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("server.toml")
    }

    /// The certificate that a guard has to trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// Where the agents publish their key.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Lets an agent's program come to the server and to the guards; it ends well only if it was told apart from those
    /// who alter or repeat its requests.
    ///
    /// # Errors
    /// What the program says.
    pub fn visit<'a>(
        &self,
        agent: &mut Command,
        server_url: &str,
        guards: impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        agent.arg(&self.folder).arg(self.port.to_string()).args([server_url, DEMO_KEY]).args(guards);
        step::output(agent).map(drop)
    }
}

/// The API key of the demo seed.
pub(super) const DEMO_KEY: &str = "as_live_DemoDetectionKey0000000000000000";
