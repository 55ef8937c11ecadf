//! The bytes' way to a mail server, plain or encrypted. Knows no SMTP.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::SmtpServer;

/// Either of them.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// After so long without a word the machine at the other end is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(3);
/// What we said and it has not acknowledged for so long, it will not.
const UNACKNOWLEDGED: Duration = Duration::from_secs(19);

/// Connects within this time. A machine that vanishes is noticed even while nobody has anything to
/// say.
pub(super) async fn connect(host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
    let connect = timeout(within, TcpStream::connect((host, port))).await;
    let tcp = connect.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // Without it every mail waits 40 ms for Nagle's algorithm and a delayed acknowledgement.
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_EVERY);
    socket.set_tcp_keepalive(&keepalive.with_retries(3))?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(tcp)
}

/// Encrypts what goes over the wire to the server of this name, whose certificate must be good.
pub(super) async fn encrypt<W: Wire + 'static>(
    server: &SmtpServer,
    wire: W,
) -> Result<Box<dyn Wire>, native_tls::Error> {
    let connector = tokio_native_tls::TlsConnector::from(server.authorities.connector()?);
    Ok(Box::new(connector.connect(&server.host, wire).await?))
}
