//! Addresses for the services of the tests. Not from the range that outgoing connections are given,
//! so that a service can be killed and started again under the same address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 30_000;
const COUNT: u16 = 2_700;

/// Where this process begins: two test processes at once should not fight for the same ports.
fn start() -> u16 {
    (std::process::id() % u32::from(COUNT)).try_into().unwrap_or_default()
}

/// An address that nobody listens on and that this process has not handed out before.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..COUNT {
        let port = FIRST + (start() + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("every port from {FIRST} to {} is in use", FIRST + COUNT)
}
