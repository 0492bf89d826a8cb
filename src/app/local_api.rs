//! The API of this process without a port: how commands reach the suppression list while no server runs. They ask the
//! same questions either way.

use crate::app::board::Board;
use crate::app::feed::Feed;
use crate::app::status::{now, status_source};
use crate::app::suppression::list_of;
use crate::app::{Core, local_intake, reputation, without_channels};
use crate::config::Config;
use crate::model::{Caller, Role, Text};
use crate::web::{self, WebState};
use axum::body::Body;
use axum::http::{Request, Response};
use axum::{Extension, Router};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Name in the audit log.
const COMMAND: Text = Text::const_new("command");

/// An open data folder with its API.
pub(crate) struct LocalApi {
    core: Core,
    router: Router,
    stop: watch::Sender<bool>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl LocalApi {
    /// Opens the data folder and loads the list.
    ///
    /// # Errors
    ///
    /// When a part cannot be opened; the message says which, why and what to do.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let core = Core::open(config, Duration::ZERO).await?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let list = list_of(&core);
        let following = list.clone().follow(core.is_ready.clone(), stopped.clone());
        tasks.spawn(async move {
            following.await;
            Ok(())
        });
        list.loaded().await?;
        let feed = Feed::open(config, &list)?;
        feed.start_imports(&stopped, &mut tasks);
        let board = Board::new(local_intake(&core));
        let progress = Arc::clone(core.pipeline.progress());
        let state = WebState {
            store: core.database.store.clone(),
            alerts: without_channels(core.database.store.clone())?,
            list,
            imports: feed.imports,
            hooks: feed.hooks,
            stopped,
            warmups: reputation::warmups(config)?,
            status: status_source(core.spool.clone(), config.spool.bytes_max, progress, board),
            demo: None,
            clock: || now().seconds(),
        };
        let caller = Caller { name: COMMAND, role: Role::Admin };
        let router = web::router(state).layer(Extension(caller));
        Ok(Self { core, router, stop, tasks })
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        let Ok(answer) = self.router.clone().oneshot(request).await;
        answer
    }

    /// Ends in order.
    ///
    /// # Errors
    ///
    /// The fault that ended a part before.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let Self { core, router, stop, mut tasks } = self;
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
        drop(router);
        core.close().await
    }
}
