//! The suppression list of the settings: its rules, and the ways in which Postfix asks it.

use crate::app::status::now;
use crate::app::{Core, marks};
use crate::config::{Config, MapAnswers, Suppression as Settings, WhenNotLoaded};
use crate::model::Event;
use crate::pipeline::{Labels, Marks};
use crate::suppression::list::List;
use crate::suppression::postfix::{
    Context as MailContext, Desk, Listener, MapAnswer, MapFile, MapWriter, PolicyRequest, Protocol,
    ReturnPaths, Server, Trouble,
};
use crate::suppression::rules::Rules;
use crate::suppression::runner::Runner;
use anyhow::Context;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The list of a core in this process. It knows nothing before it is followed or loaded.
pub(super) fn list_of(core: &Core) -> List {
    List::new(core.database.store.clone(), core.pipeline.ingest_node().clone(), now)
}

/// Starts all that the settings ask for; when it returns, the listeners answer.
pub(super) async fn start(
    config: &Config,
    core: &Core,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<List> {
    let settings = &config.suppression;
    let list = list_of(core);
    let rules = rules(settings)?;
    for (listen, protocol) in listeners(settings) {
        let server = Server { listener: bind(listen).await?, protocol, desk: desk(config, &list)? };
        let mut stopped = stopped.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = server.run() => (),
                _ = stopped.wait_for(|stop| *stop) => (),
            }
            Ok(())
        });
    }
    for writer in maps(settings, &list)? {
        let stopped = stopped.clone();
        tasks.spawn(async move {
            writer.run(stopped).await;
            Ok(())
        });
    }
    let following = list.clone().follow(core.is_ready.clone(), stopped.clone());
    tasks.spawn(async move {
        following.await;
        Ok(())
    });
    if settings.run_rules {
        let (node, stored) = (core.pipeline.ingest_node().clone(), core.pipeline.progress().stored());
        let runner = Runner::new(list.clone(), rules, node, &config.data_dir, stored);
        let stopped = stopped.clone();
        tasks.spawn(async move { Ok(runner.run(stopped).await?) });
    }
    Ok(list)
}

/// Checks what can be checked without opening anything.
pub(super) fn check(settings: &Settings) -> anyhow::Result<()> {
    rules(settings)?;
    listeners(settings).try_for_each(|(text, _)| Listen::parse(text).map(drop))?;
    for map in &settings.maps {
        MapFile::new(&map.map, map.postmap.as_deref()).context("`suppression.maps`")?;
    }
    Ok(())
}

/// The rules that come with the program, with those of the settings over them.
fn rules(settings: &Settings) -> anyhow::Result<Rules> {
    let Some(file) = &settings.rules_file else { return Ok(Rules::shipped()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("`suppression.rules_file` {} cannot be read", file.display()))?;
    Rules::with_overlay(&text).with_context(|| format!("`suppression.rules_file` {}", file.display()))
}

fn listeners(settings: &Settings) -> impl Iterator<Item = (&str, Protocol)> {
    let policy = settings.policy_listen.iter().map(|listen| (listen.as_str(), Protocol::Policy));
    policy.chain(settings.socketmap_listen.iter().map(|listen| (listen.as_str(), Protocol::Socketmap)))
}

/// Where to listen, as the settings have it.
enum Listen {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Listen {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let Some(path) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Tcp).with_context(|| {
                format!("`suppression`: `{text}` is no address; write `127.0.0.1:9998` or `unix:/path`")
            });
        };
        Ok(Self::Unix(path.into()))
    }
}

async fn bind(text: &str) -> anyhow::Result<Listener> {
    let bound = match Listen::parse(text)? {
        Listen::Unix(path) => Listener::unix(&path).await,
        Listen::Tcp(address) => Listener::tcp(address).await,
    };
    bound.with_context(|| format!("`suppression`: {text} cannot be listened on"))
}

fn desk(config: &Config, list: &List) -> anyhow::Result<Desk> {
    let labels = Labels::new(&config.labels)?;
    let fill = move |request: &PolicyRequest<'_>, context: &mut MailContext| {
        if !context.tenant.is_empty() && !context.stream.is_empty() {
            return;
        }
        let mut event = Event { env_from: request.sender.into(), ..Event::default() };
        event.tenant.clone_from(&context.tenant);
        event.stream.clone_from(&context.stream);
        labels.apply(&mut event);
        (context.tenant, context.stream) = (event.tenant, event.stream);
    };
    let Marks { keys, domain, .. } = marks(config)?;
    Ok(Desk {
        index: Arc::clone(list.index()),
        labels: Arc::new(fill),
        clock: now,
        trouble: match config.suppression.when_not_loaded {
            WhenNotLoaded::LetThrough => Trouble::LetThrough,
            WhenNotLoaded::Defer => Trouble::Defer,
        },
        return_paths: keys.zip(domain).map(|(keys, domain)| ReturnPaths { keys, domain }),
    })
}

fn maps(settings: &Settings, list: &List) -> anyhow::Result<Vec<MapWriter>> {
    let writer = |map: &crate::config::SuppressionMap| {
        let file = MapFile::new(&map.map, map.postmap.as_deref()).context("`suppression.maps`")?;
        let answer = match map.answers {
            MapAnswers::Access => MapAnswer::Access,
            MapAnswers::Transport => MapAnswer::Transport,
        };
        Ok(MapWriter { list: list.clone(), file, answer, context: MailContext::parse(&map.context) })
    };
    settings.maps.iter().map(writer).collect()
}
