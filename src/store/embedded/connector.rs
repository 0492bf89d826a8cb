//! The pipe in memory between the official client and the service: no port, no socket.
//!
//! Way: `store` makes its client here instead of by address; everything else is the same as with a server.

use super::{Engine, access::Access, service::Service};
use clickhouse::Compression;
use hyper::Uri;
use hyper_util::{
    client::legacy::{
        Client as HttpClient,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Bytes that one connection holds in each direction before its writer waits: a few of the client's 256 KiB frames.
const PIPE_BYTES: usize = 1024 * 1024;
/// Idle connections kept for the next request; more would only hold memory.
const IDLE_CONNECTIONS_MAX: usize = 16;
/// The client needs an address; nothing ever looks it up.
const URL: &str = "http://embedded";

/// The official client, on this engine. Needs a running tokio runtime at each request, as with a server.
///
/// Compression is off: it would cost time and save nothing. The engine stays open as long as the client or one of its
/// clones lives.
pub fn client(engine: &Arc<Engine>) -> clickhouse::Client {
    let connector = Connector { service: Service::new(Arc::clone(engine), Access::Full) };
    let http = HttpClient::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build(connector);
    clickhouse::Client::with_http_client(http).with_url(URL).with_compression(Compression::None)
}

/// "Connects" by making a pipe and serving its other end.
#[derive(Clone)]
struct Connector {
    service: Service,
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Pipe>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Pipe>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(self.service.clone().serve_pipe(theirs));
        ready(Ok(TokioIo::new(Pipe(ours))))
    }
}

/// A pipe's end as the HTTP client wants its connections.
struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
