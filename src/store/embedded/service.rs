//! The HTTP service on the engine: one request in, one answer out.
//!
//! Way: `connector` (in memory) and `listen` (loopback) give it their connections.
//! Not here: reading the request (`request`), running it (`query`, `insert`).

use super::{
    Engine,
    access::Access,
    answer::{self, Body},
    exception::{Code, Exception},
    insert, query, request,
};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};
use tokio::io::DuplexStream;

/// What all connections of one door share.
#[derive(Clone)]
pub(super) struct Service {
    engine: Arc<Engine>,
    access: Access,
}

impl Service {
    pub(super) fn new(engine: Arc<Engine>, access: Access) -> Self {
        Self { engine, access }
    }

    /// Serves one end of a pipe until the client closes the other. Without time limits on heads: a pooled connection
    /// may idle as long as its client likes.
    pub(super) async fn serve_pipe(self, pipe: DuplexStream) {
        let served =
            http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(pipe), self).await;
        if let Err(error) = served {
            // The client dropped a request half way: its own code knows why.
            tracing::debug!(%error, "embedded connection ended early");
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        match self.handle(request).await {
            Ok(response) => response,
            Err(exception) => answer::refusal(&exception.with_advice(self.engine.data_dir())),
        }
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Exception> {
        if is_ping(&request) {
            return Ok(answer::pong());
        }
        if let Access::ReadOnly(token) = &self.access {
            token.check(request.headers(), request.uri().query())?;
        }
        if !matches!(*request.method(), Method::GET | Method::POST) {
            let message = format_args!("method {} is not served: use POST", request.method());
            return Err(Exception::new(Code::NotImplemented, message));
        }
        let mut call = request::read(request).await?;
        let Some(rows) = call.rows.take() else {
            call.settings = self.access.settings(&self.engine, call.settings)?;
            return query::run(&self.engine, &self.access, call).await;
        };
        if self.access.is_read_only() {
            insert::discard(rows.body, self.engine.stall_max).await;
            return Err(Exception::new(Code::Readonly, "readers cannot insert"));
        }
        insert::run(&self.engine, &self.access, call, rows).await
    }
}

/// As a server: `/ping`, and a bare `/` without a statement. Says only that the service is up.
fn is_ping(request: &Request<Incoming>) -> bool {
    let uri = request.uri();
    uri.path() == "/ping"
        || uri.path() == "/"
            && request.method() == Method::GET
            && request::url_argument(uri.query(), "query").is_none()
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
