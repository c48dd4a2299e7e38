//! Encryption to somebody's public key, so that what leaves is of use to nobody else: age (its own keys and SSH
//! keys), and libsodium's sealed box.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use age::armor::{ArmoredWriter, Format};
use age::ssh::ParseRecipientKeyError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::{Aead, rand_core::OsRng};
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use zeroize::Zeroizing;

use super::SinkError;

/// For whom.
pub enum Encryption {
    /// Whoever holds one of these keys; the result is armored text.
    Age(Vec<Box<dyn age::Recipient + Send>>),
    /// The holder of this key, as `crypto_box_seal` does it; the result is base64.
    Sealed(Box<PublicKey>),
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(recipients) => write!(f, "Age({} recipients)", recipients.len()),
            Self::Sealed(_) => f.write_str("Sealed"),
        }
    }
}

/// No list of recipients is longer.
const LONGEST_FILE: u64 = 1 << 20;

impl Encryption {
    /// `--encrypt-to`: recipients, or files of them.
    ///
    /// # Errors
    /// Text that is no recipient and no file, a file that holds none or anything else.
    pub fn age(arguments: &[OsString]) -> Result<Self, SinkError> {
        let mut recipients = Vec::new();
        for argument in arguments {
            match argument.to_str().map(str::trim) {
                Some(text) if is_recipient(text) => {
                    let shown = shown(text);
                    let read = recipient(text);
                    recipients
                        .push(read.map_err(|why| SinkError::new(format!("--encrypt-to={shown} {why}")))?);
                }
                _ => of_file(argument, &mut recipients)?,
            }
        }
        Ok(Self::Age(recipients))
    }

    /// `--seal-to`: a public key in base64.
    ///
    /// # Errors
    /// What is none.
    pub fn sealed(key: &str) -> Result<Self, SinkError> {
        let bytes = STANDARD.decode(key.trim()).ok();
        let key = bytes.and_then(|bytes| PublicKey::from_slice(&bytes).ok()).ok_or_else(|| {
            SinkError::new(
                "--seal-to is no public key: base64 of 32 bytes is needed, as the secrets API gives it",
            )
        })?;
        // A key of low order makes one of a handful of boxes, whoever seals, and anybody could open it; libsodium refuses
        // it too. Of nine such boxes two are equal: there are no more than eight points of low order.
        let nonce = [0; 24].into();
        let boxes: Vec<_> = (0..9)
            .map(|_| {
                SalsaBox::new(&key, &SecretKey::generate(&mut OsRng))
                    .encrypt(&nonce, &b"sixteen bytes ok"[..])
            })
            .collect();
        let mut behind = boxes.as_slice();
        while let [one, others @ ..] = behind {
            if one.is_err() || others.contains(one) {
                return Err(SinkError::new(
                    "--seal-to is a key that protects nothing: every box for it could be opened",
                ));
            }
            behind = others;
        }
        Ok(Self::Sealed(Box::new(key)))
    }

    pub(super) fn encrypt(&self, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, SinkError> {
        let failed = |why: String| SinkError::new(format!("it could not be encrypted ({why})"));
        let mut sealed = Vec::new();
        match self {
            Self::Age(recipients) => {
                let recipients = recipients.iter().map(|one| one.as_ref() as &dyn age::Recipient);
                let encryptor =
                    age::Encryptor::with_recipients(recipients).map_err(|error| failed(error.to_string()))?;
                let write = |into: &mut Vec<u8>| -> std::io::Result<()> {
                    let armor = ArmoredWriter::wrap_output(into, Format::AsciiArmor)?;
                    let mut writer = encryptor.wrap_output(armor)?;
                    writer.write_all(text)?;
                    writer.finish()?.finish()?;
                    Ok(())
                };
                write(&mut sealed).map_err(|error| failed(error.to_string()))?;
                if sealed.last() != Some(&b'\n') {
                    sealed.push(b'\n');
                }
            }
            Self::Sealed(key) => {
                let bytes = key.seal(&mut OsRng, text).map_err(|error| failed(error.to_string()))?;
                sealed = STANDARD.encode(bytes).into_bytes();
                sealed.push(b'\n');
            }
        }
        Ok(Zeroizing::new(sealed))
    }
}

/// Whether an argument is meant as a key, not as a file.
fn is_recipient(text: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["age1", "ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "AGE-"];
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// A recipient as messages repeat it: a secret key given by mistake stays out of them.
fn shown(text: &str) -> &str {
    if text.starts_with("AGE-") { "(hidden)" } else { text }
}

/// One recipient; the error is a clause about it.
fn recipient(text: &str) -> Result<Box<dyn age::Recipient + Send>, &'static str> {
    if text.starts_with("AGE-") {
        return Err("is a secret key: give the public one that belongs to it (`age-keygen -y`)");
    }
    if text.starts_with("age1") {
        const DAMAGED: &str = "is no age recipient: it is damaged or incomplete";
        return match text.rsplit_once('1').map_or("", |(kind, _)| kind) {
            "age" => {
                text.parse::<age::x25519::Recipient>().map(|key| Box::new(key) as _).map_err(|_| DAMAGED)
            }
            "age1tag" => {
                text.parse::<age::tag::Recipient>().map(|key| Box::new(key) as _).map_err(|_| DAMAGED)
            }
            "age1tagpq" => {
                text.parse::<age::tagpq::Recipient>().map(|key| Box::new(key) as _).map_err(|_| DAMAGED)
            }
            _ => Err("is an age recipient that needs a plugin, and none are run here"),
        };
    }
    text.parse::<age::ssh::Recipient>().map(|key| Box::new(key) as _).map_err(|error| match error {
        ParseRecipientKeyError::RsaModulusTooSmall => {
            "is an RSA key of less than 2048 bits, which is too weak"
        }
        ParseRecipientKeyError::RsaModulusTooLarge => "is a larger RSA key than can be used",
        ParseRecipientKeyError::Unsupported(_) | ParseRecipientKeyError::Ignore => {
            "is an SSH key of a kind that cannot encrypt: ssh-ed25519 and ssh-rsa can"
        }
        _ => "is no SSH key: it is damaged or incomplete",
    })
}

/// A recipients file: one a line, `#` before comments; an `authorized_keys` file is one too.
fn of_file(name: &OsStr, recipients: &mut Vec<Box<dyn age::Recipient + Send>>) -> Result<(), SinkError> {
    let path = Path::new(name);
    let cannot = |why: &dyn fmt::Display| {
        SinkError::new(format!(
            "--encrypt-to={} is neither a recipient (age1…, ssh-ed25519 …, ssh-rsa …) nor a file of them that can be \
             read ({why})",
            path.display()
        ))
    };
    if name.as_bytes().is_empty() {
        return Err(SinkError::new(
            "--encrypt-to is empty: give a recipient (age1…, ssh-ed25519 …) or a file",
        ));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| cannot(&error))?;
    let length = file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| cannot(&error))?;
    if length as u64 == LONGEST_FILE {
        return Err(cannot(&"it is larger than 1 MiB"));
    }
    let before = recipients.len();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = format!("line {number} of {}", path.display());
        if line.contains("PRIVATE KEY") {
            return Err(SinkError::new(format!("{at} begins a private key: give the public one (.pub)")));
        }
        let key = behind_options(line).ok_or_else(|| {
            SinkError::new(format!("{at} is no recipient (age1…, ssh-ed25519 …, ssh-rsa …) and no comment"))
        })?;
        recipients.push(recipient(key).map_err(|why| SinkError::new(format!("{at} {why}")))?);
    }
    if recipients.len() == before {
        return Err(SinkError::new(format!("{} holds no recipient", path.display())));
    }
    Ok(())
}

/// The key of a line: `authorized_keys` lines may have options before it, whose quotes hold blanks.
fn behind_options(line: &str) -> Option<&str> {
    let mut quoted = false;
    let mut escaped = false;
    let mut begins = true;
    for (at, char) in line.char_indices() {
        if begins && !quoted && is_recipient(line.get(at..)?) {
            return line.get(at..);
        }
        quoted ^= char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        begins = char == ' ' || char == '\t';
    }
    None
}
