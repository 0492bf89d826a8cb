//! A listing on its way: asked over a real name server, seen twice, told to a channel; still firing while its list says
//! nothing; resolved when it was seen twice that it is gone.

use crate::alert_channels::{Seen, http_sink};
use crate::alerts::channels;
use crate::dns::{LISTED, T0, Watch, entry, fill, ips, list};
use crate::dns_server::Manner;
use crate::support::free_port;
use relaylens::alert::notify::Outbox;
use relaylens::alert::{Alerts, Rules, StoreFigures};
use relaylens::config;
use relaylens::model::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// A watcher, the alerts over what it finds, and a receiver of what they tell.
struct Told {
    watch: Watch,
    alerts: Alerts,
    outbox: Outbox,
    posted: Seen<crate::alert_channels::Posted>,
}

impl Told {
    async fn new() -> Self {
        let watch = Watch::new(&["own"], ips(&["192.0.2.8", LISTED]), "\"ip4\"", 10_000).await;
        fill(&watch.world, "own");
        let port = free_port();
        let posted = Seen::default();
        http_sink(port, Arc::clone(&posted)).await;
        let hook = config::Way::Webhook { url: format!("http://127.0.0.1:{port}/hook"), key: None };
        let settings = config::Alerts {
            channels: vec![config::Channel { name: "hook".to_owned(), way: hook }],
            group_wait_seconds: 0,
            group_interval_seconds: 0,
            ..config::Alerts::default()
        };
        let channels = channels(&settings);
        let figures = StoreFigures::new(watch.store.clone(), || 0.0);
        let alerts = Alerts::new(watch.store.clone(), figures, Rules::shipped(), Arc::clone(&channels), 0);
        let outbox = Outbox::new(watch.store.clone(), channels, alerts.wake());
        Self { watch, alerts, outbox, posted }
    }

    /// Lets the watcher, the alerts and the outbox do what is due, and returns what was posted since.
    async fn at(&mut self, minute: i64) -> Vec<Value> {
        self.watch.at(minute).await;
        let now = Timestamp::from_seconds(T0 + minute * 60);
        self.alerts.evaluate(now).await.unwrap();
        self.outbox.deliver(now).await.unwrap();
        let mut posted = self.posted.lock().unwrap();
        posted.drain(..).map(|posted| posted.json()).collect()
    }

    fn firing(&self) -> Vec<(String, String)> {
        let open = self.alerts.board().open.clone();
        open.into_iter().map(|incident| (incident.rule, incident.labels["subject"].clone())).collect()
    }
}

#[tokio::test]
async fn a_listing_is_told_when_confirmed_stays_while_unknown_and_ends_when_delisted() {
    let mut told = Told::new().await;
    assert_eq!(told.at(0).await, Vec::<Value>::new(), "what was listed at the first check is no news");

    list(&told.watch.world, "own", "192.0.2.8");
    assert_eq!(told.at(60).await, Vec::<Value>::new(), "one sign is no news");
    let news = told.at(71).await;
    let [news] = news.as_slice() else { panic!("{news:#?}") };
    let alert = &news["alerts"][0];
    assert_eq!((&alert["status"], &alert["labels"]["list"]), (&"firing".into(), &"own".into()), "{alert}");
    assert_eq!(alert["labels"]["subject"], "192.0.2.8");
    let text = alert["annotations"]["description"].as_str().unwrap();
    assert!(text.contains("own: spam; see bl.example"), "{text}");
    assert_eq!(told.firing(), [("listing".to_owned(), "192.0.2.8".to_owned())]);

    let mut minute = 71;
    for fault in [Manner::Failing, Manner::Always([127, 255, 255, 254]), Manner::Refusing] {
        told.watch.world.zone("own.bl.example", fault);
        for _ in 0..3 {
            minute += 61;
            let said = told.at(minute).await;
            let is_reminder = |news: &Value| news["alerts"][0]["annotations"]["step"] == "reminder";
            assert!(said.iter().all(is_reminder), "{fault:?}: {said:#?}");
            assert_eq!(told.firing().len(), 1, "{fault:?}: unknown is no delisting");
        }
    }
    assert!(told.watch.store.listings(0).await.unwrap().iter().all(|row| row.seen == "unknown"));

    told.watch.world.zone("own.bl.example", Manner::Honest);
    told.watch.world.remove(&entry("own", "192.0.2.8"));
    minute += 61;
    assert_eq!(told.at(minute).await, Vec::<Value>::new(), "one sign is no delisting");
    // Seen twice: clear, and ten minutes later resolved.
    assert_eq!(told.at(minute + 11).await, Vec::<Value>::new());
    let ended = told.at(minute + 22).await;
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert_eq!(ended[0]["alerts"][0]["status"], "resolved", "{ended:#?}");
    assert_eq!(told.firing(), []);
}
