//! Clients that are gone without a word, and those that do not read what they asked for: the kernel
//! ends their connections. Knows no HTTP.

use std::os::fd::AsFd;
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
    set_tcp_user_timeout,
};

/// A client that says nothing for so long is asked whether it is there,
const SILENT: Duration = Duration::from_secs(30);
/// so often, with so long between two times.
const ASKED: u32 = 3;
const PAUSE: Duration = Duration::from_secs(10);
/// Longest time that what was sent is not taken (TCP_USER_TIMEOUT, RFC 5482; Linux counts a closed
/// window, too).
const NOT_TAKEN: Duration = Duration::from_secs(30);

/// Bounds a connection that was accepted.
pub(crate) fn bound(stream: &TcpStream) {
    if let Err(error) = set(stream, NOT_TAKEN) {
        tracing::debug!(%error, "a connection is not bounded");
    }
}

fn set(socket: impl AsFd, not_taken: Duration) -> rustix::io::Result<()> {
    let socket = socket.as_fd();
    set_socket_keepalive(socket, true)?;
    set_tcp_keepidle(socket, SILENT)?;
    set_tcp_keepintvl(socket, PAUSE)?;
    set_tcp_keepcnt(socket, ASKED)?;
    set_tcp_user_timeout(socket, u32::try_from(not_taken.as_millis()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_client_that_does_not_read_is_hung_up_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        set(&accepted, Duration::from_secs(1)).unwrap();
        // Else the test would never end.
        accepted.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        let (began, part) = (Instant::now(), [0; 64 * 1024]);
        let error = std::iter::repeat_with(|| accepted.write(&part)).find_map(Result::err);
        assert_eq!(error.unwrap().kind(), std::io::ErrorKind::TimedOut, "{:?}", began.elapsed());
    }
}
