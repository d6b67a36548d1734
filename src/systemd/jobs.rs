//! Jobs of the manager, awaited without polling: several at a time, each within its own deadline, and stopped by a
//! signal.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::bus::BusError;
use super::manager::{JobMode, Manager, Verb};
use super::runtime::Watch;
use super::signals::{Change, Signals};
use super::words::JobResult;
use crate::names::UnitName;

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
    /// The unit whose status was asked for says what it is doing.
    Status {
        /// Its status line; empty if it says nothing any more.
        text: String,
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
    status_of: Option<UnitName>,
    stopped: bool,
    waiting: VecDeque<JobRequest>,
    running: Vec<Running>,
    /// Events that are known and not yet told.
    events: VecDeque<JobEvent>,
    /// When the manager left the bus, if it did.
    absent_since: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    job: u32,
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
            status_of: None,
            stopped: false,
            waiting: requests.into_iter().collect(),
            running: Vec::new(),
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

    /// Tells the status line of `unit`, too, whenever it changes.
    #[must_use]
    pub fn status_of(mut self, unit: &UnitName) -> Self {
        self.status_of = Some(unit.clone());
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
        let manager = &*self.manager;
        let bus = manager.bus();
        let status_of = self.status_of.as_ref();
        let signals = bus.run(asked, bus.deadline(), async {
            let signals = Signals::subscribe(bus, asked, status_of).await?;
            manager.subscribe(asked).await?;
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
                // A second request for a unit joins the job of the first.
                self.running.push(Running { job, unit: unit.clone(), since: Instant::now() });
                JobEvent::Queued { unit }
            }
            Err(error) => JobEvent::Over { unit, outcome: JobOutcome::Failed(error) },
        };
        self.events.push_back(event);
        self.heed_signals();
    }

    fn stop_now(&mut self) {
        self.stopped = true;
        self.end_running(|_| true, |_| JobOutcome::StillRunning);
        self.end_waiting(|| JobOutcome::NotReached);
    }

    /// Sleeps until a job ends, its time is over, we are told to stop, or the manager goes or comes.
    fn wait(&mut self) {
        let now = Instant::now();
        let bus = self.manager.bus();
        let until =
            |since: Instant, limit: Duration| limit.saturating_sub(now.saturating_duration_since(since));
        let grace = self.absent_since.map(|since| until(since, bus.deadline()));
        let limits = self.running.iter().map(|running| until(running.since, self.deadline));
        let limit = limits.chain(grace).min().unwrap_or_default();
        let (signals, stop) = (&mut self.signals, &self.stop);
        let stopping = bus.runtime().block_on(limit, async {
            let mut stopping = pin!(async {
                match stop {
                    Some(stop) => stop.readable().await,
                    None => std::future::pending().await,
                }
            });
            poll_fn(|context| {
                if signals.as_mut().is_some_and(|signals| signals.take(context)) {
                    return Poll::Ready(false);
                }
                stopping.as_mut().poll(context).map(|_| true)
            })
            .await
        });
        match stopping {
            Some(true) => self.stop_now(),
            Some(false) => self.heed_signals(),
            None => self.drop_overdue(),
        }
    }

    /// Acts on what the signals said since the last time.
    fn heed_signals(&mut self) {
        let Some(signals) = &mut self.signals else {
            return;
        };
        // What is not ours belongs to somebody else's job; ours are known before their end is looked at here.
        let (endings, change) = (std::mem::take(&mut signals.endings), signals.change.take());
        self.events.extend(signals.status.take().map(|text| JobEvent::Status { text }));
        for (job, result) in endings {
            self.end_running(|running| running.job == job, |_| JobOutcome::Ended(result.clone()));
        }
        match change {
            None => {}
            Some(Change::Closed) => self.fail_all(&self.manager.bus().failed(closed(), "follow the jobs")),
            Some(Change::Gone) => self.absent_since = Some(Instant::now()),
            Some(Change::Back) => self.look_again(),
        }
    }

    fn drop_overdue(&mut self) {
        let now = Instant::now();
        let bus = self.manager.bus();
        let waited = |since: Instant| now.saturating_duration_since(since);
        if self.absent_since.is_some_and(|since| waited(since) >= bus.deadline()) {
            self.fail_all(&bus.failed(left(), "follow the jobs"));
            return;
        }
        let deadline = self.deadline;
        self.end_running(
            |running| waited(running.since) >= deadline,
            |running| JobOutcome::Overdue { waited: waited(running.since) },
        );
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
                manager.subscribe(asked).await?;
                let mut gone = Vec::new();
                for Running { job, .. } in running {
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
                // First the ends that were heard after all.
                self.heed_signals();
                self.end_running(|running| gone.contains(&running.job), |_| JobOutcome::Vanished);
            }
            Err(error) => self.fail_all(&error),
        }
    }

    fn fail_all(&mut self, error: &BusError) {
        self.absent_since = None;
        self.end_running(|_| true, |_| JobOutcome::Failed(error.clone()));
        self.end_waiting(|| JobOutcome::Failed(error.clone()));
    }

    fn end_running(&mut self, is_over: impl Fn(&Running) -> bool, outcome: impl Fn(&Running) -> JobOutcome) {
        let (over, running) = std::mem::take(&mut self.running).into_iter().partition(is_over);
        self.running = running;
        let over: Vec<Running> = over;
        self.events.extend(
            over.into_iter().map(|running| JobEvent::Over { outcome: outcome(&running), unit: running.unit }),
        );
    }

    fn end_waiting(&mut self, outcome: impl Fn() -> JobOutcome) {
        let waiting = std::mem::take(&mut self.waiting);
        let over =
            waiting.into_iter().map(|request| JobEvent::Over { unit: request.unit, outcome: outcome() });
        self.events.extend(over);
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
        let request = JobRequest { verb, unit: unit.clone(), mode };
        Jobs::new(self, [request], deadline).run_one(|_| {})
    }

    /// The same, and `doing` is told what the unit says of itself meanwhile.
    ///
    /// # Errors
    /// As [`Manager::run_job`].
    pub fn run_job_telling(
        &mut self,
        verb: Verb,
        unit: &UnitName,
        mode: JobMode,
        deadline: Duration,
        doing: impl FnMut(&str),
    ) -> Result<JobResult, BusError> {
        let request = JobRequest { verb, unit: unit.clone(), mode };
        Jobs::new(self, [request], deadline).status_of(unit).run_one(doing)
    }
}

impl Jobs<'_> {
    fn run_one(mut self, mut doing: impl FnMut(&str)) -> Result<JobResult, BusError> {
        let (deadline, first) = (self.deadline, self.waiting.front());
        let asked = first.map(|first| format!("{} {}", first.verb.as_str(), first.unit)).unwrap_or_default();
        while let Some(event) = self.next_event()? {
            let outcome = match event {
                JobEvent::Over { outcome, .. } => outcome,
                JobEvent::Status { text } => {
                    doing(&text);
                    continue;
                }
                JobEvent::Queued { .. } => continue,
            };
            return match outcome {
                JobOutcome::Ended(result) => Ok(result),
                JobOutcome::Failed(error) => Err(error),
                JobOutcome::Overdue { .. } | JobOutcome::StillRunning | JobOutcome::NotReached => {
                    Err(self.manager.bus().unanswered(&asked, deadline))
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

fn left() -> zbus::Error {
    zbus::fdo::Error::NameHasNoOwner("the manager left the bus".to_owned()).into()
}
