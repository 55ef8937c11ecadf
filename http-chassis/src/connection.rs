//! A client's connection, below actix: how long it may be silent, how long a head may take, and what
//! actix refuses without a body becomes a problem. Parses no request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::patience::{LATE, LOOK_AGAIN};
use crate::phase::{Phase, Watch};
use crate::refusal::{self, Why};
use crate::routes::Routes;

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Nothing comes: before the first request, or between two.
    pub(crate) idle: Duration,
    /// A head has begun.
    pub(crate) head: Duration,
    /// The client sends on, and the last answer is on its way.
    pub(crate) linger: Duration,
}

/// What actix reads requests from and writes answers to.
pub(crate) struct Connection {
    stream: TcpStream,
    watch: Watch,
    routes: &'static Routes,
    limits: Limits,
    timer: Pin<Box<Sleep>>,
    /// An answer waits until the client takes it.
    is_blocked: bool,
    /// An answer has said that it is the last one.
    is_last: bool,
    refusal: Option<Refusal>,
    /// Its place among those that the settings let in; one without is refused.
    place: Option<OwnedSemaphorePermit>,
}

/// The last answer of a connection, written here instead of by actix.
struct Refusal {
    answer: Vec<u8>,
    written: usize,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Writing,
    /// To hang up on a client that still sends would reset the connection, and the answer with it.
    Lingering,
    Over,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        routes: &'static Routes,
        limits: Limits,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        // One that is refused is not kept for a request that may come.
        let idle = if place.is_some() { limits.idle } else { limits.head };
        let limits = Limits { idle, ..limits };
        let watch = Watch::new(limits);
        let timer = Box::pin(sleep_until(Instant::now() + limits.idle));
        let (is_blocked, is_last, refusal) = (false, false, None);
        Self { stream, watch, routes, limits, timer, is_blocked, is_last, refusal, place }
    }

    /// Whoever serves this connection's requests says so here.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Ready when the time for what is awaited is up.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        loop {
            let phase = self.watch.get();
            let awaited = match phase {
                Phase::Idle { until, .. } | Phase::Head { until } => Some(until),
                Phase::Served => None,
            };
            let awaited = awaited.filter(|_| !self.is_withheld());
            // Fires too early rather than often: a connection with many requests costs no timer for
            // each of them.
            if let Some(until) = awaited.filter(|until| *until < self.timer.deadline()) {
                self.timer.as_mut().reset(until);
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let is_late = now.saturating_duration_since(self.timer.deadline()) > LATE;
            let next = match awaited {
                Some(until) if now >= until && !is_late => return Poll::Ready(phase),
                Some(until) if is_late => until.max(now + LOOK_AGAIN),
                Some(until) => until,
                // Nobody wakes a connection that falls idle.
                None => now + self.limits.head,
            };
            if awaited.is_some() {
                self.watch.put_off(next);
            }
            self.timer.as_mut().reset(next);
        }
    }

    /// No verdict while an answer is under way.
    fn is_withheld(&self) -> bool {
        self.is_blocked || self.is_last
    }

    fn refuse(&mut self, why: Why) {
        self.routes.refused(why.status());
        let answer = refusal::answer(why, self.routes.cache_control());
        self.refusal = Some(Refusal { answer, written: 0, stage: Stage::Writing });
        self.timer.as_mut().reset(Instant::now() + self.limits.linger);
    }

    /// Ready when the client has its answer, or has had the time for it.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(()) };
        let mut stream = Pin::new(&mut self.stream);
        loop {
            let step = match refusal.stage {
                Stage::Over => return Poll::Ready(()),
                _ if self.timer.as_mut().poll(cx).is_ready() => Ok(Stage::Over),
                Stage::Writing => match refusal.answer.get(refusal.written..) {
                    None | Some([]) => {
                        ready!(stream.as_mut().poll_shutdown(cx)).map(|()| Stage::Lingering)
                    }
                    Some(rest) => ready!(stream.as_mut().poll_write(cx, rest)).map(|written| {
                        refusal.written += written;
                        Stage::Writing
                    }),
                },
                Stage::Lingering => ready!(poll_discard(stream.as_mut(), cx)),
            };
            refusal.stage = step.unwrap_or(Stage::Over);
        }
    }
}

fn poll_discard(stream: Pin<&mut TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<Stage>> {
    let mut room = [0; 4096];
    let mut room = ReadBuf::new(&mut room);
    let read = ready!(stream.poll_read(cx, &mut room));
    Poll::Ready(read.map(|()| match room.filled() {
        [] => Stage::Over,
        _ => Stage::Lingering,
    }))
}

/// What comes of reading: a verdict is an end of the stream, on which actix closes without a word.
impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_none() {
            let before = buf.filled().len();
            let overdue = match Pin::new(&mut this.stream).poll_read(cx, buf)? {
                // Not before something came: an answer to nothing would be an error to the client.
                Poll::Ready(()) if buf.filled().len() > before && this.place.is_none() => {
                    buf.set_filled(before);
                    this.refuse(Why::TooManyConnections);
                    return this.poll_refusal(cx).map(Ok);
                }
                Poll::Ready(()) if buf.filled().len() > before => {
                    this.watch.heard();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(()) if this.is_withheld() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => (this.watch.get(), Why::BrokeOff),
                Poll::Pending => (ready!(this.poll_overdue(cx)), Why::TooSlow(this.limits.head)),
            };
            match overdue {
                (Phase::Head { .. }, why) => this.refuse(why),
                (Phase::Idle { .. } | Phase::Served, _) => return Poll::Ready(Ok(())),
            }
        }
        this.poll_refusal(cx).map(Ok)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.refusal.is_none() {
            let part = match refusal::bare(buf) {
                Some((0, status)) => {
                    // What was wrong with the body of a request, its own answer has said.
                    if this.watch.is_after_body() {
                        return Poll::Ready(Ok(buf.len()));
                    }
                    this.refuse(Why::Refused(status));
                    &[]
                }
                Some((before, _)) => buf.get(..before).unwrap_or(buf),
                None => buf,
            };
            if !part.is_empty() {
                this.is_last |= this.watch.is_after_body() && refusal::is_last(part);
                let written = Pin::new(&mut this.stream).poll_write(cx, part);
                this.is_blocked = written.is_pending();
                return written;
            }
        }
        ready!(this.poll_refusal(cx));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
