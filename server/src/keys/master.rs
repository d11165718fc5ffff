//! The master secret: seals private keys at rest, and everything else that is secret is derived from it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use quivive_core::encoding;

use crate::app::Entropy;
use crate::config::ConfigError;
use crate::error::{Error, Result};

/// 32 secret bytes.
pub struct MasterSecret([u8; 32]);

impl MasterSecret {
    /// From known bytes; for tests.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    /// A message for the owner if the text is something else.
    pub fn from_hex(text: &str) -> Result<Self, ConfigError> {
        encoding::decode_hex(text.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| ConfigError("the master secret is not 64 hexadecimal digits".to_owned()))
    }

    /// Reads the file, or makes it (mode 0600) if there is none.
    ///
    /// # Errors
    /// A message that names the file: unreadable, unwritable, malformed, or readable by others.
    pub fn load_or_create(path: &Path, entropy: &Entropy) -> Result<Self, ConfigError> {
        let failed =
            |error: std::io::Error| ConfigError(format!("master secret {}: {error}", path.display()));
        if !path.try_exists().map_err(failed)? {
            create(path, entropy).map_err(failed)?;
        }
        refuse_open_mode(path)?;
        let mut text = String::new();
        File::open(path).and_then(|mut file| file.read_to_string(&mut text)).map_err(failed)?;
        Self::from_hex(&text).map_err(|error| ConfigError(format!("{}: {error}", path.display())))
    }

    /// A secret for one purpose: HKDF-SHA-256 (RFC 5869) with the purpose as info.
    #[expect(clippy::expect_used, reason = "32 bytes are always within what HKDF can give")]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        Salt::new(HKDF_SHA256, b"quivive")
            .extract(&self.0)
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut bytes))
            .expect("HKDF gives 32 bytes");
        bytes
    }

    /// Encrypts a secret that is stored, bound to its name: AES-256-GCM, fresh nonce, base64url.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` if the cipher fails.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<String> {
        let mut text = secret.to_vec();
        let nonce = self
            .sealing_key()?
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| Error::internal("a secret cannot be sealed"))?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(encoding::base64url(&sealed))
    }

    /// Decrypts what [`MasterSecret::seal`] made for the same name.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` if it was made with another master secret or name, or was changed.
    pub fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>> {
        let failed =
            || Error::internal(format!("the sealed record `{name}` does not open with this master secret"));
        let sealed = encoding::decode_base64url(sealed).map_err(|_| failed())?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(failed)?;
        let nonce: [u8; NONCE_LENGTH] = nonce.try_into().map_err(|_| failed())?;
        let mut text = text.to_vec();
        let opened = self
            .sealing_key()?
            .open_in_place(Nonce::from(&nonce), Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| failed())?;
        Ok(opened.to_vec())
    }

    fn sealing_key(&self) -> Result<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.derive("seal"))
            .map_err(|_| Error::internal("the sealing key is not usable"))
    }
}

const NONCE_LENGTH: usize = 12;

/// Makes the file whole or not at all: whoever is killed in the middle leaves no half secret behind, and of two who
/// start at once one wins.
fn create(path: &Path, entropy: &Entropy) -> std::io::Result<()> {
    let name = format!(".master.{}.{}", std::process::id(), encoding::hex(&entropy.bytes::<8>()));
    let draft = path.with_file_name(name);
    let linked = create_private(&draft)
        .and_then(|mut file| {
            file.write_all(encoding::hex(&entropy.bytes::<32>()).as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => removed?,
    }
    sync_folder(path)
}

/// Without it a power loss could take the name of the file away again.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn refuse_open_mode(path: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path)
        .map_err(|error| ConfigError(format!("master secret {}: {error}", path.display())))?;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(ConfigError(format!("master secret {0}: others may read it; run `chmod 600 {0}`", path.display())))
}

#[cfg(not(unix))]
fn refuse_open_mode(_path: &Path) -> Result<(), ConfigError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_secrets_open_for_the_same_name_and_secret_alone() {
        let master = MasterSecret::from_bytes([1; 32]);
        let sealed = master.seal("key", b"private").unwrap();
        assert_eq!(master.open("key", &sealed).unwrap(), b"private");
        assert_ne!(sealed, master.seal("key", b"private").unwrap());
        assert!(master.open("other", &sealed).is_err());
        assert!(MasterSecret::from_bytes([2; 32]).open("key", &sealed).is_err());
        for broken in ["", "AAAA", sealed.get(..sealed.len() - 2).unwrap()] {
            assert!(master.open("key", broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn purposes_give_different_secrets() {
        let master = MasterSecret::from_bytes([1; 32]);
        assert_eq!(master.derive("badge"), master.derive("badge"));
        assert_ne!(master.derive("badge"), master.derive("seal"));
    }

    #[test]
    fn of_many_who_start_at_once_all_have_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.secret");
        let secrets: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let start = || MasterSecret::load_or_create(&path, &Entropy::System).unwrap().0;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn the_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.secret");
        let first = MasterSecret::load_or_create(&path, &Entropy::System).unwrap();
        let second = MasterSecret::load_or_create(&path, &Entropy::System).unwrap();
        assert_eq!(first.0, second.0);
        let files = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(files.map(|file| file.unwrap().file_name()).collect::<Vec<_>>(), ["master.secret"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            let error = MasterSecret::load_or_create(&path, &Entropy::System).err().unwrap();
            assert!(error.0.contains("chmod 600"), "{error}");
        }
    }
}
