//! The server: doors, followed logs and pages around the [`Core`].

use crate::app::access::{self, Access};
use crate::app::board::Board;
use crate::app::database::read_secret;
use crate::app::feed::Feed;
use crate::app::handover::{Announced, Handover};
use crate::app::status::{now, status_source};
use crate::app::{
    Core, Replayed, alerts, enrich, mail_doors, mailboxes, marks, replay, reputation, suppression, tokens,
    unsubscribe, webhooks,
};
use crate::config::Config;
use crate::ingest::Intake;
use crate::ingest::http::{self, HttpOptions};
use crate::ingest::tail::{self, TailOptions};
use crate::model::{SourceKind, SourceRef};
use crate::pipeline::Marks;
use crate::store::Store;
use crate::store::embedded::{ListenToken, serve_tcp};
use crate::web::{self, WebState};
use anyhow::Context;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long requests that are under way may take at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// The way into the spool of a core in this process.
pub(crate) fn local_intake(core: &Core) -> Intake {
    Intake::new(core.spool.clone(), now)
}

/// A server that answers.
pub struct Served {
    pub url: String,
    core: Core,
    tasks: JoinSet<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    _announced: Announced,
}

/// Starts everything; when it returns, the port answers and the logs are followed.
///
/// `demo` is the text of the banner that says where the data comes from.
///
/// # Errors
///
/// When a part cannot be started; the message says which, why and what to do.
pub async fn serve(config: &Config, demo: Option<String>) -> anyhow::Result<Served> {
    let listen = config.http.listen;
    // First, so that a taken port costs no start of the engine.
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("{listen} cannot be listened on; is another relaylens there? choose another with --listen")
    })?;
    let access = Access::of(tokens::load(&config.http)?);
    let Marks { keys, domain, .. } = marks(config)?;
    let signer = web::Signer { keys, domain, clock: now };
    let second_look = Duration::from_secs(config.pipeline.second_look_s.into());
    let core = Core::open(config, second_look).await?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let intake = local_intake(&core);
    let mut board = Board::new(intake.clone());
    follow_logs(config, &core, &intake, &stopped, &mut board, &mut tasks);
    mail_doors::open(&config.sources.mail, &intake, &stopped, &mut board, &mut tasks).await?;
    mailboxes::collect(&config.sources, &core, &intake, &stopped, &mut board, &mut tasks)?;
    let webhooks = webhooks::routes(&config.webhooks, intake.clone(), &mut board)?;
    let for_recipients = web::unsubscribe_routes(unsubscribe::door(unsubscribe::keys(config)?, &intake));
    open_engine(config, &core, &stopped, &mut tasks).await?;
    let list = suppression::start(config, &core, &stopped, &mut tasks).await?;
    enrich::start(config, core.database.store.clone(), stopped.clone(), &mut tasks)?;
    reputation::start(config, core.database.store.clone(), stopped.clone(), &mut tasks)?;

    let feed = Feed::open(config, &list)?;
    feed.start(&stopped, &mut tasks);
    let progress = Arc::clone(core.pipeline.progress());
    let status = status_source(core.spool.clone(), config.spool.bytes_max, progress, board);
    let alerts = alerts::open(config, core.database.store.clone(), &status, &stopped, &mut tasks)?;
    let state = WebState {
        store: core.database.store.clone(),
        list,
        status,
        alerts,
        imports: feed.imports,
        hooks: feed.hooks,
        stopped: stopped.clone(),
        warmups: reputation::warmups(config)?,
        demo,
        clock: || now().seconds(),
    };
    let routes = Router::new()
        .merge(http::router(intake.clone(), HttpOptions::default()))
        .merge(replay_route(core.database.store.clone(), intake))
        .merge(web::signing_routes(signer))
        .merge(web::router(state))
        .layer(axum::middleware::from_fn_with_state(access, access::check))
        // Smarthosts cannot show our token: each door checks its own signature or secret.
        .merge(webhooks)
        // Recipients have no token but the one in their link.
        .merge(for_recipients);
    let address = listener.local_addr()?;
    tasks.spawn(serve_http(listener, routes, stopped));
    let url = format!("http://{address}");
    let announced = Handover::announce(&config.data_dir, url.clone())?;
    Ok(Served { url, core, tasks, stop, _announced: announced })
}

impl Served {
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// Works until `shutdown` comes or a part fails, then ends in order: doors, pipeline, engine.
    ///
    /// # Errors
    ///
    /// The fault that ended it.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut watchdog = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(shutdown);
        let ended = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                Some(task) = self.tasks.join_next() => break task.unwrap_or_else(|error| Err(error.into())),
                _ = watchdog.tick() => if self.core.pipeline.has_ended() { break Ok(()) },
            }
        };
        self.stop.send_replace(true);
        let last = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, last).await.is_err() {
            tracing::warn!("requests that took longer than {} s were cut off", GRACE.as_secs());
            self.tasks.shutdown().await;
        }
        let closed = self.core.close().await;
        ended.and(closed)
    }
}

async fn serve_http(
    listener: TcpListener,
    routes: Router,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).with_graceful_shutdown(until(stopped)).await?)
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn follow_logs(
    config: &Config,
    core: &Core,
    intake: &Intake,
    stopped: &watch::Receiver<bool>,
    board: &mut Board,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    let logs = config.sources.logs().map(|(kind, log)| (kind, &log.name, &log.path));
    let kumomta = config.sources.kumomta.iter().map(|log| (SourceKind::Kumomta, &log.name, &log.dir));
    for (kind, name, path) in logs.chain(kumomta) {
        let source = SourceRef { kind, name: name.as_str().into() };
        let positions = core.pipeline.files().get(&source).cloned().unwrap_or_default();
        let status = board.tail(source.clone(), format!("log {}", path.display()));
        let options = TailOptions { source, path: path.clone() };
        let (intake, stopped) = (intake.clone(), stopped.clone());
        tasks.spawn(async move { Ok(tail::run(options, intake, positions, status, stopped).await?) });
    }
}

/// Opens the embedded engine to other programs, where the settings ask for it.
async fn open_engine(
    config: &Config,
    core: &Core,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let (Some(listen), Some(file), Some(engine)) =
        (config.embedded.listen, &config.embedded.token_file, &core.database.engine)
    else {
        return Ok(());
    };
    let token = ListenToken::new(&read_secret(file)?)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("`embedded.listen` {listen} cannot be listened on"))?;
    let (engine, stopped) = (Arc::clone(engine), stopped.clone());
    tasks.spawn(async move { Ok(serve_tcp(engine, listener, token, until(stopped)).await?) });
    Ok(())
}

#[derive(serde::Deserialize)]
struct ReplayParams {
    kind: Option<String>,
    reason: Option<String>,
}

/// `POST /v1/replay?kind=&reason=`, for `relaylens replay` beside a running server.
fn replay_route(store: Store, intake: Intake) -> Router {
    let answer = async |State((store, intake)): State<(Store, Intake)>,
                        Query(params): Query<ReplayParams>| {
        match replay(&store, &intake, params.kind.as_deref(), params.reason.as_deref()).await {
            Ok(done) => Ok(axum::Json::<Replayed>(done)),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the rejects could not be replayed");
                Err((
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the rejects could not be replayed; the log tells why\n",
                ))
            }
        }
    };
    Router::new().route("/v1/replay", post(answer)).with_state((store, intake))
}
