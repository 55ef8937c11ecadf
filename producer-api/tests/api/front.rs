//! What stands before librdkafka's mock cluster. Its answer to a version of ApiVersions that it does not
//! know is of no version that there is, so that only librdkafka can read it: here a client gets what a
//! broker says. The addresses of the metadata lead here, too. All else passes as it is.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use relay::replace;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

const API_VERSIONS: i16 = 18;
/// The highest version of it that the mock cluster knows.
const KNOWN: i16 = 2;
const UNSUPPORTED_VERSION: i16 = 35;

/// Addresses of the brokers as metadata says them, and of what stands before them.
type Addresses = Arc<HashMap<Vec<u8>, Vec<u8>>>;

/// Starts one for each broker, and says what to connect to.
pub(crate) fn stand_before(bootstrap_servers: &str) -> String {
    let brokers = bootstrap_servers.split(',').map(|address| address.parse().unwrap());
    let fronts = brokers.map(|broker| (broker, TcpListener::bind("127.0.0.1:0").unwrap()));
    let fronts: Vec<(SocketAddr, TcpListener)> = fronts.collect();
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    let said = fronts.iter().map(|(broker, front)| (said(*broker), said(address(front))));
    let said: Addresses = Arc::new(said.collect());
    let names: Vec<_> = fronts.iter().map(|(_, front)| address(front).to_string()).collect();
    for (broker, front) in fronts {
        tokio::spawn(accept(front, broker, Arc::clone(&said)));
    }
    names.join(",")
}

fn said(address: SocketAddr) -> Vec<u8> {
    [address.ip().to_string().as_bytes(), &i32::from(address.port()).to_be_bytes()].concat()
}

async fn accept(front: TcpListener, broker: SocketAddr, addresses: Addresses) {
    front.set_nonblocking(true).unwrap();
    let front = tokio::net::TcpListener::from_std(front).unwrap();
    while let Ok((client, _)) = front.accept().await {
        let addresses = Arc::clone(&addresses);
        tokio::spawn(async move {
            if let Ok(broker) = TcpStream::connect(broker).await {
                let _ = carry(client, broker, &addresses).await;
            }
        });
    }
}

async fn carry(client: TcpStream, broker: TcpStream, addresses: &Addresses) -> io::Result<()> {
    let (mut from_client, to_client) = client.into_split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let to_client = Mutex::new(to_client);
    let there = async {
        loop {
            let request = frame(&mut from_client).await?;
            let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
            match number(0) == API_VERSIONS && number(2) > KNOWN {
                true => send(&mut *to_client.lock().await, &unsupported(&request[4..8])).await?,
                false => send(&mut to_broker, &request).await?,
            }
        }
    };
    let back = async {
        loop {
            let mut answer = frame(&mut from_broker).await?;
            addresses.iter().for_each(|(old, new)| replace(&mut answer, old, new));
            send(&mut *to_client.lock().await, &answer).await?;
        }
    };
    tokio::select! { ended = there => ended, ended = back => ended }
}

async fn frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut frame = vec![0; length.try_into().unwrap()];
    from.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap();
    to.write_all(&[&length.to_be_bytes(), frame].concat()).await
}

/// Version 0 of the answer, whichever was asked for: the error, and one entry, the versions that are known.
fn unsupported(correlation: &[u8]) -> Vec<u8> {
    let body = [UNSUPPORTED_VERSION, 0, 1, API_VERSIONS, 0, KNOWN];
    [correlation, &body.map(i16::to_be_bytes).concat()].concat()
}
