//! Jobs of the manager, awaited without polling: several at a time, each within its own deadline, and stopped by a
//! signal.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use zbus::{MatchRule, MessageStream, message};

use super::bus::BusError;
use super::manager::{self, JobMode, Manager, Verb};
use super::runtime::Watch;
use super::words::JobResult;
use crate::names::UnitName;

/// How many endings of jobs are kept for us while we are busy. A burst, such as a target's, is taken off the queue
/// with every wait, so this bounds only what comes in between.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// A job to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// What to do.
    pub verb: Verb,
    /// With which unit.
    pub unit: UnitName,
    /// And with the jobs that are in the way.
    pub mode: JobMode,
}

/// How a requested job came out.
#[derive(Debug, Clone)]
pub enum JobOutcome {
    /// It ended, with the manager's verdict.
    Ended(JobResult),
    /// It was not queued, or nothing is known of it any more because the manager or the bus went away.
    Failed(BusError),
    /// It did not end in time and goes on.
    Overdue {
        /// How long was waited for it.
        waited: Duration,
    },
    /// The manager was restarted, and does not know the job any more.
    Vanished,
    /// We were told to stop, and did not wait for its end.
    StillRunning,
    /// We were told to stop before it was queued.
    NotReached,
}

impl JobOutcome {
    /// Whether the job ended well. An unknown word of the manager is a failure.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Ended(result) if result.is_success())
    }
}

/// What [`Jobs::next_event`] tells.
#[derive(Debug, Clone)]
pub enum JobEvent {
    /// The job was queued.
    Queued {
        /// Its unit.
        unit: UnitName,
    },
    /// Nothing more is to be expected of it.
    Over {
        /// Its unit.
        unit: UnitName,
        /// How it came out.
        outcome: JobOutcome,
    },
}

/// A batch of jobs: queued in order, at most so many at a time, each followed to its end.
///
/// It borrows the manager for itself, because its signals have to be taken off the connection while anything else is
/// said on it.
#[derive(Debug)]
pub struct Jobs<'a> {
    manager: &'a mut Manager,
    signals: Option<Signals>,
    at_once: NonZeroUsize,
    deadline: Duration,
    stop: Option<Watch>,
    stopped: bool,
    waiting: VecDeque<JobRequest>,
    running: BTreeMap<u32, Running>,
    /// Events that are known and not yet told.
    events: VecDeque<JobEvent>,
    /// When the manager left the bus, if it did.
    absent_since: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    unit: UnitName,
    since: Instant,
}

impl<'a> Jobs<'a> {
    /// A batch of `requests`, one at a time, each of which may take `deadline` from when it is queued.
    pub fn new(
        manager: &'a mut Manager,
        requests: impl IntoIterator<Item = JobRequest>,
        deadline: Duration,
    ) -> Self {
        Self {
            manager,
            signals: None,
            at_once: NonZeroUsize::MIN,
            deadline,
            stop: None,
            stopped: false,
            waiting: requests.into_iter().collect(),
            running: BTreeMap::new(),
            events: VecDeque::new(),
            absent_since: None,
        }
    }

    /// Runs up to `count` jobs at a time.
    #[must_use]
    pub fn at_once(mut self, count: NonZeroUsize) -> Self {
        self.at_once = count;
        self
    }

    /// Stops as soon as `descriptor` (a signalfd, a pipe) can be read: what was not queued is not reached, what runs
    /// is left running. Nothing is read from it.
    ///
    /// # Errors
    /// The descriptor cannot be watched.
    pub fn stopped_by(mut self, descriptor: OwnedFd) -> std::io::Result<Self> {
        self.stop = Some(self.manager.bus().runtime().watch(descriptor)?);
        Ok(self)
    }

    /// Waits for the next thing to tell; `None` when everything is over. Every request gets exactly one
    /// [`JobEvent::Over`]. While it waits it takes no processor time.
    ///
    /// # Errors
    /// The signals of the manager cannot be subscribed to; nothing has been queued then.
    pub fn next_event(&mut self) -> Result<Option<JobEvent>, BusError> {
        if self.signals.is_none() {
            self.subscribe()?;
        }
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.running.is_empty() && self.waiting.is_empty() {
                return Ok(None);
            }
            if !self.stopped && self.running.len() < self.at_once.get() && !self.waiting.is_empty() {
                self.queue_next();
            } else {
                self.wait();
            }
        }
    }

    /// Before the first job is queued, or its end could be missed.
    fn subscribe(&mut self) -> Result<(), BusError> {
        let asked = "subscribe to the ends of jobs";
        let bus = self.manager.bus();
        let signals = bus.run(asked, bus.deadline(), async {
            let connection = bus.connection();
            let failed = |error| bus.failed(error, asked);
            let removed = MatchRule::builder()
                .msg_type(message::Type::Signal)
                .sender(manager::SERVICE)
                .interface(manager::INTERFACE)
                .member("JobRemoved")
                .path(manager::OBJECT)
                .build()
                .map_err(failed)?;
            let owner = MatchRule::builder()
                .msg_type(message::Type::Signal)
                .sender("org.freedesktop.DBus")
                .interface("org.freedesktop.DBus")
                .member("NameOwnerChanged")
                .arg(0, manager::SERVICE)
                .build()
                .map_err(failed)?;
            let signals = Signals {
                removed: MessageStream::for_match_rule(removed, connection, Some(QUEUE))
                    .await
                    .map_err(failed)?,
                owner: MessageStream::for_match_rule(owner, connection, None).await.map_err(failed)?,
                endings: BTreeMap::new(),
            };
            bus.call(manager::manager("Subscribe"), &(), asked).await?;
            Ok(signals)
        })?;
        self.signals = Some(signals);
        Ok(())
    }

    fn queue_next(&mut self) {
        if self.stop.as_ref().is_some_and(Watch::is_readable) {
            self.stop_now();
            return;
        }
        let Some(request) = self.waiting.pop_front() else {
            return;
        };
        let JobRequest { verb, unit, mode } = request;
        let manager = &*self.manager;
        let asked = format!("{} {unit}", verb.as_str());
        let signals = &mut self.signals;
        let queued = manager.bus().run(&asked, manager.bus().deadline(), async {
            let mut queueing = pin!(manager.enqueue_job(verb, &unit, mode));
            poll_fn(|context| {
                // A signal that is left in its queue would keep the answer from being read.
                if let Some(signals) = signals {
                    signals.take(context);
                }
                queueing.as_mut().poll(context)
            })
            .await
        });
        let event = match queued {
            Ok(job) => {
                let since = Instant::now();
                let running = Running { unit: unit.clone(), since };
                self.running.insert(job, running);
                JobEvent::Queued { unit }
            }
            Err(error) => JobEvent::Over { unit, outcome: JobOutcome::Failed(error) },
        };
        self.events.push_back(event);
        self.tell_endings();
    }

    fn stop_now(&mut self) {
        self.stopped = true;
        let running = std::mem::take(&mut self.running);
        let waiting = std::mem::take(&mut self.waiting);
        let running = running.into_values().map(|job| (job.unit, JobOutcome::StillRunning));
        let waiting = waiting.into_iter().map(|request| (request.unit, JobOutcome::NotReached));
        self.events.extend(running.chain(waiting).map(|(unit, outcome)| JobEvent::Over { unit, outcome }));
    }

    /// Sleeps until a job ends, its time is over, we are told to stop, or the manager goes or comes.
    fn wait(&mut self) {
        let now = Instant::now();
        let bus = self.manager.bus();
        let grace = self.absent_since.map(|since| (since + bus.deadline()).saturating_duration_since(now));
        let limit = self
            .running
            .values()
            .map(|job| (job.since + self.deadline).saturating_duration_since(now))
            .chain(grace)
            .min()
            .unwrap_or_default();
        let (signals, stop) = (&mut self.signals, &self.stop);
        let woken = bus.runtime().block_on(limit, async {
            let mut stopping = pin!(async {
                match stop {
                    Some(stop) => stop.readable().await,
                    None => std::future::pending().await,
                }
            });
            poll_fn(|context| {
                if let Some(signals) = signals.as_mut() {
                    let taken = signals.take(context);
                    if !matches!(taken, Taken::Nothing) {
                        return Poll::Ready(Woken::Signals(taken));
                    }
                }
                stopping.as_mut().poll(context).map(|_| Woken::Stop)
            })
            .await
        });
        match woken {
            Some(Woken::Stop) => self.stop_now(),
            Some(Woken::Signals(Taken::Closed)) => {
                let error = bus.failed(closed(), "follow the jobs");
                self.fail_all(&error);
            }
            Some(Woken::Signals(Taken::ManagerGone)) => self.absent_since = Some(Instant::now()),
            Some(Woken::Signals(Taken::ManagerBack)) => self.look_again(),
            Some(Woken::Signals(Taken::Endings | Taken::Nothing)) => {}
            None => self.drop_overdue(),
        }
        self.tell_endings();
    }

    /// Tells what became of the jobs that have ended.
    fn tell_endings(&mut self) {
        let Some(signals) = &mut self.signals else {
            return;
        };
        // What is not ours belongs to somebody else's job; ours are known before their end is looked at here.
        for (job, result) in std::mem::take(&mut signals.endings) {
            if let Some(running) = self.running.remove(&job) {
                self.events
                    .push_back(JobEvent::Over { unit: running.unit, outcome: JobOutcome::Ended(result) });
            }
        }
    }

    fn drop_overdue(&mut self) {
        let now = Instant::now();
        let bus = self.manager.bus();
        if self.absent_since.is_some_and(|since| now.saturating_duration_since(since) >= bus.deadline()) {
            let error = bus.failed(
                zbus::Error::FDO(Box::new(zbus::fdo::Error::NameHasNoOwner(
                    "the manager left the bus".to_owned(),
                ))),
                "follow the jobs",
            );
            self.fail_all(&error);
            return;
        }
        let waited = |job: &Running| now.saturating_duration_since(job.since);
        let (overdue, running) = std::mem::take(&mut self.running)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, job)| waited(job) >= self.deadline);
        self.running = running;
        self.events.extend(overdue.into_values().map(|job| JobEvent::Over {
            outcome: JobOutcome::Overdue { waited: waited(&job) },
            unit: job.unit,
        }));
    }

    /// After the manager came back (`daemon-reexec`): it keeps its jobs, but one may have ended in between, unheard.
    fn look_again(&mut self) {
        self.absent_since = None;
        let manager = &*self.manager;
        let bus = manager.bus();
        let asked = "look for the jobs";
        let (signals, running) = (&mut self.signals, &self.running);
        let gone = bus.run(asked, bus.deadline(), async {
            let mut looking = pin!(async {
                bus.call(manager::manager("Subscribe"), &(), asked).await?;
                let mut gone = Vec::new();
                for job in running.keys() {
                    if !manager.has_job(*job).await? {
                        gone.push(*job);
                    }
                }
                Ok(gone)
            });
            poll_fn(|context| {
                if let Some(signals) = signals {
                    signals.take(context);
                }
                looking.as_mut().poll(context)
            })
            .await
        });
        match gone {
            Ok(gone) => {
                self.tell_endings();
                for job in gone {
                    if let Some(running) = self.running.remove(&job) {
                        self.events
                            .push_back(JobEvent::Over { unit: running.unit, outcome: JobOutcome::Vanished });
                    }
                }
            }
            Err(error) => self.fail_all(&error),
        }
    }

    fn fail_all(&mut self, error: &BusError) {
        let running = std::mem::take(&mut self.running);
        let waiting = std::mem::take(&mut self.waiting);
        let units =
            running.into_values().map(|job| job.unit).chain(waiting.into_iter().map(|request| request.unit));
        self.events
            .extend(units.map(|unit| JobEvent::Over { unit, outcome: JobOutcome::Failed(error.clone()) }));
    }
}

impl Manager {
    /// Queues a job and waits for its end. It subscribes first, so that no end is missed, however soon it comes.
    ///
    /// # Errors
    /// The job was refused, did not end within `deadline` (it goes on), or the manager went away.
    pub fn run_job(
        &mut self,
        verb: Verb,
        unit: &UnitName,
        mode: JobMode,
        deadline: Duration,
    ) -> Result<JobResult, BusError> {
        let asked = format!("{} {unit}", verb.as_str());
        let request = JobRequest { verb, unit: unit.clone(), mode };
        let mut jobs = Jobs::new(self, [request], deadline);
        while let Some(event) = jobs.next_event()? {
            let JobEvent::Over { outcome, .. } = event else {
                continue;
            };
            return match outcome {
                JobOutcome::Ended(result) => Ok(result),
                JobOutcome::Failed(error) => Err(error),
                JobOutcome::Overdue { .. } | JobOutcome::StillRunning | JobOutcome::NotReached => {
                    Err(self.bus().unanswered(&asked, deadline))
                }
                JobOutcome::Vanished => Err(BusError::not_understood(
                    &asked,
                    "the manager was restarted and does not know the job any more",
                )),
            };
        }
        Err(BusError::not_understood(&asked, "no event of the job"))
    }
}

fn closed() -> zbus::Error {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}

enum Woken {
    Signals(Taken),
    Stop,
}

/// What came off the signal queues, the gravest first.
enum Taken {
    Closed,
    ManagerGone,
    ManagerBack,
    Endings,
    Nothing,
}

/// The signals that are listened to while jobs run.
#[derive(Debug)]
struct Signals {
    removed: MessageStream,
    owner: MessageStream,
    /// The jobs that ended since this was last emptied.
    endings: BTreeMap<u32, JobResult>,
}

impl Signals {
    /// Takes all that is there, and leaves `context` to be woken by the next.
    fn take(&mut self, context: &mut Context<'_>) -> Taken {
        let mut taken = Taken::Nothing;
        loop {
            match Pin::new(&mut self.removed).poll_next(context) {
                Poll::Pending => break,
                Poll::Ready(None | Some(Err(_))) => return Taken::Closed,
                Poll::Ready(Some(Ok(signal))) => {
                    let body = signal.body();
                    if let Ok((_, job, _, result)) =
                        body.deserialize::<(u32, zbus::ObjectPath<'_>, &str, &str)>()
                        && let Some(job) = manager::job_id(job.as_str())
                    {
                        self.endings.insert(job, JobResult::from(result));
                        taken = Taken::Endings;
                    }
                }
            }
        }
        loop {
            match Pin::new(&mut self.owner).poll_next(context) {
                Poll::Pending => return taken,
                Poll::Ready(None | Some(Err(_))) => return Taken::Closed,
                Poll::Ready(Some(Ok(signal))) => {
                    let body = signal.body();
                    if let Ok((_, _, new)) = body.deserialize::<(&str, &str, &str)>() {
                        taken = if new.is_empty() { Taken::ManagerGone } else { Taken::ManagerBack };
                    }
                }
            }
        }
    }
}
