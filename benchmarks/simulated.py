"""The real `dispatch`, with workers that are simulated on a clock of their own.

Nothing sleeps: the clock jumps from event to event, and the driver's own work is charged to it, so a run of hours with
thousands of workers takes seconds, and the same seed gives the same numbers.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adam_vs_gd.engine.crew import Reports
from adam_vs_gd.engine.dispatch import dispatch
from adam_vs_gd.engine.plan import Chunk, Group, Plan
from adam_vs_gd.engine.progress import Far, Meter
from adam_vs_gd.engine.settings import CHECKPOINT_SECONDS, Settings
from adam_vs_gd.engine.task import Answer, Job, Kept, Task
from adam_vs_gd.problems.two_patch.family import FAMILY
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.ways import WAYS
from adam_vs_gd.spec.cells import Lane

LANES = 2  # of a chunk: what is simulated does not depend on them
STEPS = 10_000
BEAT_SECONDS = 60.0  # between words of a chunk: real ones come each second, but a look costs the same


@dataclass(frozen=True)
class World:
    """What is simulated; all times in seconds.

    Attributes:
        workers: how many.
        chunks: to be trained.
        seconds: a chunk takes in the mean; those in `results/` took 26 to 110.
        spread: standard deviation of the logarithm of that; 0.12 to 0.8 in `results/`.
        slow_share: of the workers that are
        slow: times slower.
        start: of JAX in a worker that has taken its first chunk, until it leaves word of it; 1.4 here, and some times
            that from a cold network folder.
        compile: after that; 14 to 18 on an H200 (docs/performance.md).
        between_failures: in the mean, of a worker; what it did since its last checkpoint is lost.
        notice: until it is known that a worker has died.
        back: until another takes its place.
        between_preemptions: in the mean, of a worker, which makes a checkpoint and goes
        queue: for so long.
        checkpoint: between two of a chunk.
        killers: chunks that kill their worker, each time at their half.
        overhead: of the driver for a chunk, half to hand it out and half to settle it: 0.1 ms to pickle it, as much in
            a process pool's own thread, and as much for the answer, the log and `dispatch` (`workers.py --measure`).
        word: of the driver to look at the word of one worker, on a local disk (the same).
        spare: chunks handed out beyond the workers.
        counted: whether the executor says how many workers it has; where not, `spare` chunks are handed
            out beyond twice as many as have left word.
        seed: of all that is random.
    """

    workers: int = 1000
    chunks: int = 20_000
    seconds: float = 60.0
    spread: float = 0.3
    slow_share: float = 0.0
    slow: float = 2.0
    start: float = 0.0
    compile: float = 0.0
    between_failures: float = math.inf
    notice: float = 10.0
    back: float = 60.0
    between_preemptions: float = math.inf
    queue: float = 600.0
    checkpoint: float = CHECKPOINT_SECONDS
    killers: int = 0
    overhead: float = 0.3e-3
    word: float = 0.04e-3
    spare: int = 1
    counted: bool = True
    seed: int = 0


class Clock:
    """A time that jumps from event to event.

    Args:
        passing: called with the seconds that pass, before anything happens at their end.
    """

    def __init__(self, passing: Callable[[float], None]) -> None:
        self.now, self.passing = 0.0, passing
        self.events: list[tuple[float, int, Callable[[], object]]] = []
        self.order = itertools.count()

    def read(self) -> float:
        """The time."""
        return self.now

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        """Have an event."""
        heapq.heappush(self.events, (self.now + seconds, next(self.order), event))

    def step(self, until: float) -> bool:
        """Go to the next event and have it happen; False where there was none until then."""
        there = bool(self.events) and self.events[0][0] <= until
        then, event = heapq.heappop(self.events)[::2] if there else (until, lambda: None)
        self.passing(then - self.now)
        self.now = then
        event()
        return there

    def spend(self, seconds: float) -> None:
        """Let time pass, with all that happens meanwhile."""
        until = self.now + seconds
        while self.step(until):
            pass


@dataclass(eq=False)
class Worker:
    """Somebody who trains chunks.

    Attributes:
        name: of it.
        slow: how many times slower than others it is.
        state: "training", "idle", or why it is away.
        cold: whether it has to start JAX, and to compile.
        lives: how often it has begun anew.
        trying: what it trains.
    """

    name: str
    slow: float
    state: str = "idle"
    cold: bool = True
    lives: int = 0
    trying: Try | None = None


@dataclass(eq=False)
class Try:
    """A chunk that was handed out.

    Attributes:
        task: what.
        seconds: it takes in all.
        done: of them, before.
        slow: how many times longer they take.
        began: when its training did.
        far: of its seconds, those that were done when its worker died.
        beats: words that were left of it.
        future: its answer.
    """

    task: Task
    seconds: float
    done: float
    slow: float = 1.0
    began: float = math.inf
    far: float | None = None
    beats: int = 0
    future: Future[Answer] = field(default_factory=Future)

    def trained(self, now: float) -> float:
        """Seconds that its worker has trained it."""
        return max(0.0, now - self.began)

    def word(self, who: str, now: float) -> dict[str, Any]:
        """What its worker says of it."""
        self.beats += 1
        far = self.done + self.trained(now) / self.slow if self.far is None else self.far
        step = round(far / self.seconds * STEPS)
        return {"worker": who, "kept": [], "said": [], "far": Far(0, step, STEPS, float(step)), "beat": self.beats}


class LostError(Exception):
    """A worker has died."""


class Crew:
    """Simulated workers, as `dispatch` sees them; and its `wait`.

    Args:
        world: what they are like.
        meter: of the run.
    """

    def __init__(self, world: World, meter: Meter) -> None:
        self.world, self.meter, self.random = world, meter, random.Random(world.seed)
        self.clock = Clock(self.passing)
        self.spent, self.states = defaultdict[str, float](float), Counter[str](idle=world.workers)
        self.useful = self.slowed = 0.0
        self.seconds: dict[str, float] = {}
        self.killers: set[str] = set()
        self.saved: dict[str, float] = {}
        self.held: dict[str, Try] = {}
        self.queue: deque[Try] = deque()
        self.idle: dict[Worker, None] = {}
        self.speaking: dict[str, tuple[Worker, Try]] = {}
        self.dead: dict[str, tuple[Worker, Try]] = {}
        self.beats: list[tuple[float, str]] = []
        self.finished: dict[Future[Answer], None] = {}
        self.tries = 0
        for i in range(world.workers):
            slow = world.slow if self.random.random() < world.slow_share else 1.0
            self.arrive(Worker(f"worker {i}", slow))

    def passing(self, seconds: float) -> None:
        """Count what the workers' time goes to."""
        waiting = self.meter.chunks - self.meter.chunks_done - len(self.held)
        for state, count in self.states.items():
            name = ("driver" if waiting > 0 else "tail") if state == "idle" else state
            self.spent[name] += count * seconds

    def turn(self, worker: Worker, state: str) -> None:
        """A worker does something else from now on."""
        self.states[worker.state] -= 1
        self.states[state] += 1
        worker.state = state

    # what dispatch asks for

    def submit(self, task: Task) -> Future[Answer]:
        """Hand a chunk to the crew."""
        self.clock.spend(self.world.overhead / 2)
        digest = task.chunk.digest
        if digest not in self.seconds:
            world = self.world
            self.seconds[digest] = world.seconds * math.exp(self.random.gauss(-(world.spread**2) / 2, world.spread))
            if len(self.killers) < world.killers:
                self.killers.add(digest)
        trying = self.held[task.attempt] = Try(task, self.seconds[digest], self.saved.get(digest, 0.0))
        self.tries += 1
        self.queue.append(trying)
        if self.idle:
            self.take(next(iter(self.idle)))
        return trying.future

    def room(self) -> int:
        """How many chunks it may have at once."""
        if self.world.counted:
            return self.world.workers + self.world.spare
        return self.world.spare + 2 * len(self.speaking)

    def look(self) -> None:
        """Let the time pass that it takes to look at all words."""
        self.clock.spend(self.world.word * len(self.speaking))

    def shun(self, worker: str) -> bool:
        """None of them refuses."""
        return False

    def words(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The last words of the dead, and those that are new; others would be as they were, and take their time too."""
        self.look()
        now = self.clock.now
        for attempt, (worker, trying) in self.dead.items():
            yield attempt, trying.word(worker.name, now)
        while self.beats and self.beats[0][0] <= now:
            _, attempt = heapq.heappop(self.beats)
            if attempt in self.speaking and attempt not in self.dead:
                worker, trying = self.speaking[attempt]
                heapq.heappush(self.beats, (now + BEAT_SECONDS, attempt))
                yield attempt, trying.word(worker.name, now)

    def forget(self, attempt: str) -> None:
        """A chunk is settled."""
        self.clock.spend(self.world.overhead / 2)
        self.finished.pop(self.held.pop(attempt).future, None)
        self.dead.pop(attempt, None)
        self.speaking.pop(attempt, None)

    def renew(self) -> bool:
        """It does not break."""
        return False

    def stop(self) -> None:
        """Nothing that a simulated run does can fail, so nobody has to stop."""

    def wait(
        self, futures: Collection[Future[Answer]], timeout: float, return_when: str = ""
    ) -> tuple[list[Future[Answer]], Iterable[Future[Answer]]]:
        """Let time pass until a chunk is finished: as `concurrent.futures.wait` for the first."""
        until = self.clock.now + timeout
        while not self.finished and self.clock.step(until):
            pass
        return [future for future in self.finished if future in futures], ()

    # what happens to workers

    def arrive(self, worker: Worker) -> None:
        """A worker is there, anew."""
        worker.cold, worker.lives = True, worker.lives + 1
        for mean, event in ((self.world.between_failures, self.die), (self.world.between_preemptions, self.preempt)):
            if mean < math.inf:
                self.clock.after(self.random.expovariate(1 / mean), functools.partial(event, worker, worker.lives))
        self.take(worker)

    def take(self, worker: Worker) -> None:
        """A worker takes the next chunk, or waits for one."""
        self.idle.pop(worker, None)
        if not self.queue:
            self.idle[worker] = None
            return self.turn(worker, "idle")
        worker.trying = trying = self.queue.popleft()
        trying.slow = worker.slow
        if not worker.cold:
            return self.speak(worker, trying)
        self.turn(worker, "start")
        return self.clock.after(self.world.start, functools.partial(self.speak, worker, trying))

    def speak(self, worker: Worker, trying: Try) -> None:
        """A worker leaves its first word of a chunk."""
        if worker.trying is not trying:
            return
        self.speaking[trying.task.attempt] = worker, trying
        heapq.heappush(self.beats, (self.clock.now, trying.task.attempt))
        train = functools.partial(self.train, worker, trying)
        if worker.cold:
            self.clock.after(self.world.compile, train)
        else:
            train()

    def train(self, worker: Worker, trying: Try) -> None:
        """A worker begins to train, as far as it comes."""
        if worker.trying is not trying:
            return
        worker.cold, trying.began = False, self.clock.now
        self.turn(worker, "training")
        if trying.task.chunk.digest in self.killers:
            seconds, event = trying.seconds / 2 - trying.done, functools.partial(self.die, worker, worker.lives)
        else:
            seconds, event = trying.seconds - trying.done, functools.partial(self.finish, worker, trying)
        self.clock.after(seconds * worker.slow, event)

    def finish(self, worker: Worker, trying: Try) -> None:
        """A worker is done with a chunk."""
        if worker.trying is not trying:
            return
        lanes = tuple(lane.digest for lane in trying.task.chunk.lanes)
        kept = Kept(lanes, (1,) * len(lanes), (0.5,) * len(lanes), None, {"seconds": trying.seconds})
        self.speaking.pop(trying.task.attempt, None)
        if self.answer(trying, Answer([kept], worker=worker.name)):
            self.useful += trying.seconds
            self.slowed += trying.trained(self.clock.now) * (1 - 1 / worker.slow)
        worker.trying = None
        self.take(worker)

    def answer(self, trying: Try, answer: Answer | BaseException) -> bool:
        """It is known what became of a chunk; False where nobody waits for it any more."""
        if trying.task.attempt not in self.held:
            return False
        if isinstance(answer, Answer):
            trying.future.set_result(answer)
        else:
            trying.future.set_exception(answer)
        self.finished[trying.future] = None
        return True

    def leave(self, worker: Worker, state: str, seconds: float) -> Try | None:
        """A worker goes away for a while; gives what it trained."""
        trying, worker.trying = worker.trying, None
        worker.lives += 1
        self.idle.pop(worker, None)
        self.turn(worker, state)
        self.clock.after(seconds, functools.partial(self.arrive, worker))
        return trying

    def save(self, trying: Try, seconds: float) -> None:
        """A checkpoint has what was trained in so many seconds."""
        self.saved[trying.task.chunk.digest] = trying.done + seconds / trying.slow
        self.slowed += seconds * (1 - 1 / trying.slow)

    def die(self, worker: Worker, life: int) -> None:
        """A worker is gone, with what it did since its last checkpoint."""
        if worker.lives != life or not (trying := self.leave(worker, "failed", self.world.back)):
            return
        trained = trying.trained(self.clock.now)
        trying.far = trying.done + trained / trying.slow
        self.save(trying, trained // self.world.checkpoint * self.world.checkpoint)
        if trying.task.attempt in self.speaking:
            self.dead[trying.task.attempt] = worker, trying
        self.clock.after(self.world.notice, functools.partial(self.answer, trying, LostError("a worker died")))

    def preempt(self, worker: Worker, life: int) -> None:
        """A worker has to leave, and saves what it has."""
        if worker.lives != life or not (trying := self.leave(worker, "preempted", self.world.queue)):
            return
        self.save(trying, trying.trained(self.clock.now))
        self.speaking.pop(trying.task.attempt, None)
        self.answer(trying, Answer(stopped=True, worker=worker.name))


class Outcome(NamedTuple):
    """What became of a run.

    Attributes:
        makespan: seconds that it took.
        shares: of the workers' time; "useful" is the efficiency.
        given_up: digests of chunks.
        tries: chunks handed out, those handed out again too.
        processor: seconds that this process needed.
    """

    makespan: float
    shares: Mapping[str, float]
    given_up: tuple[str, ...]
    tries: int
    processor: float

    @property
    def efficiency(self) -> float:
        """Seconds of training that was needed over those of all workers, at the speed of those that are not slow."""
        return self.shares["useful"]


LOSSES = {
    "tail": "idle at the end",
    "driver": "waiting for the driver",
    "start": "starting, compiling",
    "slow": "slow workers",
    "lost": "work lost",
    "failed": "dead",
    "preempted": "preempted",
}
"""What workers' time is lost to, for people."""


@functools.lru_cache(maxsize=2)
def plan_of(chunks: int) -> Plan:
    """A plan of so many chunks."""
    static = Static(optimizer="adam", n=10, d=30, width=2, steps=STEPS, test_size=2)
    hyper = Hyper(0.2, 5, 0.3, 0.01, 1e-3, 1e-2)
    first = Lane(static, hyper, 0, 1).identity
    lanes = (Lane(static, hyper, seed, 1, first) for seed in itertools.count())
    cut = tuple(Chunk(tuple(itertools.islice(lanes, LANES))) for _ in range(chunks))
    return Plan((Group(FAMILY, static, 5, WAYS["plain"], 1, 1, LANES, LANES, cut),))


def simulate(world: World) -> Outcome:
    """Have a run's chunks trained by simulated workers.

    Raises:
        AssertionError: if a lane is not delivered exactly once, or named as given up.
    """
    began = time.process_time()
    plan = plan_of(world.chunks)
    meter = Meter(plan)
    crew = Crew(world, meter)
    kept = Counter[str]()
    reports = Reports(
        tell=lambda text: None, check=lambda: None, kept=lambda part: kept.update(part.lanes),
        heard=lambda lanes: None, ended=lambda chunk: None, advanced=lambda meter: None,
    )  # fmt: skip
    job = Job("simulated", {}, b"", Settings())
    gone = dispatch(job, plan, crew, reports, meter, wait=crew.wait, clock=crew.clock.read)
    given_up = [chunk for chunk, _ in gone.killers]
    named = Counter(lane.digest for chunk in given_up for lane in chunk.lanes)
    every = Counter(lane.digest for group in plan.groups for chunk in group.chunks for lane in chunk.lanes)
    assert kept + named == every, "a lane is lost, or there twice"
    spent, whole = dict(crew.spent), world.workers * crew.clock.now
    lost = spent.pop("training", 0.0) - crew.useful - crew.slowed
    found = {"useful": crew.useful, "slow": crew.slowed, "lost": lost} | spent
    shares = {name: round(found.get(name, 0.0) / whole, 9) + 0.0 for name in ("useful", *LOSSES)}
    digests = tuple(chunk.digest for chunk in given_up)
    return Outcome(crew.clock.now, shares, digests, crew.tries, time.process_time() - began)
