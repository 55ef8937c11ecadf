//! The server's side of a login: who may come in. Offers none.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::smtp_server::Lines;

pub(crate) const USER: &str = "shop-mailer";
/// Encoded it has every character of base64 that is no letter.
pub(crate) const PASSWORD: &str = "s3cret \u{e9}>>>???~~~";

/// The answer to a login that begins with this line.
pub(crate) async fn answer(line: &str, lines: &mut Lines) -> std::io::Result<&'static str> {
    let mut words = line.split_whitespace().skip(1);
    let came = match (words.next(), words.next()) {
        (Some("PLAIN"), Some(secret)) => decoded(secret) == format!("\0{USER}\0{PASSWORD}"),
        (Some("LOGIN"), None) => {
            let user = ask(lines, "334 VXNlcm5hbWU6").await?;
            let password = ask(lines, "334 UGFzc3dvcmQ6").await?;
            (user.as_str(), password.as_str()) == (USER, PASSWORD)
        }
        _ => return Ok("504 5.5.4 not this way"),
    };
    Ok(if came { "235 2.7.0 welcome" } else { "535 5.7.8 bad credentials" })
}

async fn ask(lines: &mut Lines, question: &str) -> std::io::Result<String> {
    lines.write_all(format!("{question}\r\n").as_bytes()).await?;
    let mut line = String::new();
    lines.read_line(&mut line).await?;
    Ok(decoded(line.trim_end()))
}

fn decoded(text: &str) -> String {
    let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
