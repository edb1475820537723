use std::time::Duration;

use bytes::Bytes;

use super::{super::body, *};

fn kind(name: &str, attributes: &str) -> Kind {
    let attributes = body::object(attributes.as_bytes(), "").unwrap();
    Kind::named(name).unwrap().merged(&attributes).unwrap()
}

fn stage(name: &str, attributes: &str, now: Instant) -> Box<dyn Stage> {
    kind(name, attributes).stage(Draws::seeded(5), now).unwrap()
}

fn queue(pieces: &[usize], now: Instant) -> Queue {
    let mut queue = Queue::default();
    for length in pieces {
        queue.push(Chunk::new(Bytes::from(vec![0; *length]), now), now);
    }
    queue
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The lengths forwarded when every wait is waited out to the instant, and when each was.
fn run(stage: &mut dyn Stage, inbox: &mut Queue, start: Instant) -> Vec<(usize, Duration)> {
    let mut now = start;
    let mut out = Vec::new();
    loop {
        match stage.step(inbox, now) {
            Step::Forward(chunk) => out.push((chunk.data.len(), now - start)),
            Step::WaitUntil(at) => {
                assert!(at > now, "a wait must get somewhere");
                now = at;
            }
            Step::Idle | Step::End(_) => return out,
        }
    }
}

#[test]
fn jitter_fills_its_interval_and_a_negative_delay_is_none() {
    let start = Instant::now();
    let mut stage = stage("latency", r#"{"latency":50,"jitter":100}"#, start);
    let mut delays = Vec::new();
    for _ in 0..2000 {
        delays.extend(
            run(&mut *stage, &mut queue(&[1], start), start)
                .into_iter()
                .map(|(_, delay)| delay),
        );
    }
    assert!(delays.iter().all(|delay| *delay < ms(150)));
    let at_once = delays.iter().filter(|delay| delay.is_zero()).count();
    assert!(
        (400..600).contains(&at_once),
        "a quarter of the interval lies below zero: {at_once}"
    );
    assert!(delays.iter().any(|delay| *delay > ms(140)));
}

#[test]
fn a_slow_line_trickles_in_pieces_of_a_tenth_of_a_second() {
    let start = Instant::now();
    let mut stage = stage("bandwidth", r#"{"rate":2}"#, start);
    let out = run(&mut *stage, &mut queue(&[500], start), start);
    assert_eq!(out, [(200, ms(100)), (200, ms(200)), (100, ms(250))]);
}

#[test]
fn an_idle_line_saves_up_no_credit() {
    let start = Instant::now();
    let mut stage = stage("bandwidth", r#"{"rate":10}"#, start);
    let later = start + ms(60_000);
    assert_eq!(
        run(&mut *stage, &mut queue(&[100], later), later),
        [(100, ms(10))]
    );
}

#[test]
fn slices_are_near_their_average_and_lose_nothing() {
    let start = Instant::now();
    for (average, variation) in [
        (1, 0),
        (10, 0),
        (10, 9),
        (100, 50),
        // Further than can be: as far as leaves a byte to every piece.
        (1, 1),
        (10, 10),
        (100, 1 << 31),
    ] {
        let attributes =
            format!(r#"{{"average_size":{average},"size_variation":{variation},"delay":100}}"#);
        let mut stage = stage("slicer", &attributes, start);
        let out = run(&mut *stage, &mut queue(&[32_768, 1, 777], start), start);
        assert_eq!(
            out.iter().map(|(length, _)| length).sum::<usize>(),
            32_768 + 1 + 777
        );
        assert!(
            out.iter()
                .all(|(length, _)| (1..=average + variation.min(average - 1)).contains(length)),
            "{average} {variation}"
        );
        let rests = out
            .windows(2)
            .all(|pair| pair[1].1 == pair[0].1 + Duration::from_micros(100));
        assert!(rests, "{average} {variation}");
    }
}

#[test]
fn slicing_goes_on_when_it_is_retuned_in_the_middle_of_a_chunk() {
    let start = Instant::now();
    let mut stage = stage("slicer", r#"{"average_size":10}"#, start);
    let mut inbox = queue(&[1000], start);
    let mut total = 0;
    for _ in 0..5 {
        if let Step::Forward(chunk) = stage.step(&mut inbox, start) {
            total += chunk.data.len();
        }
    }
    stage.retune(
        &kind("slicer", r#"{"average_size":3,"size_variation":2}"#),
        start,
    );
    let rest = run(&mut *stage, &mut inbox, start);
    assert!(rest.iter().all(|(length, _)| *length <= 5));
    assert_eq!(
        total + rest.iter().map(|(length, _)| length).sum::<usize>(),
        1000
    );
}

#[test]
fn the_limit_counts_on_when_it_is_raised() {
    let start = Instant::now();
    let mut stage = stage("limit_data", r#"{"bytes":10}"#, start);
    assert_eq!(
        run(&mut *stage, &mut queue(&[6], start), start),
        [(6, ms(0))]
    );
    stage.retune(&kind("limit_data", r#"{"bytes":15}"#), start);
    let mut inbox = queue(&[6, 6], start);
    assert_eq!(
        run(&mut *stage, &mut inbox, start),
        [(6, ms(0)), (3, ms(0))]
    );
    assert!(matches!(
        stage.step(&mut inbox, start),
        Step::End(Ending::Close)
    ));
}

#[test]
fn a_limit_of_nothing_closes_at_the_first_byte_and_not_before() {
    let start = Instant::now();
    let mut stage = stage("limit_data", "{}", start);
    assert!(matches!(
        stage.step(&mut Queue::default(), start),
        Step::Idle
    ));
    assert!(matches!(
        stage.step(&mut queue(&[1], start), start),
        Step::End(Ending::Close)
    ));
}

#[test]
fn losses_have_their_rate_and_correlation_makes_them_run_together() {
    let start = Instant::now();
    let kept = |attributes| {
        run(
            &mut *stage("packet_loss", attributes, start),
            &mut queue(&vec![1; 5000], start),
            start,
        )
        .len()
    };
    assert!((4350..4650).contains(&kept("{}")), "{}", kept("{}"));
    assert!((3350..3650).contains(&kept(r#"{"loss_rate":0.3}"#)));
    assert_eq!(kept(r#"{"loss_rate":0}"#), 5000);
    assert_eq!(kept(r#"{"loss_rate":1}"#), 0);
    let wholly = kept(r#"{"loss_rate":0.5,"correlation":1}"#);
    assert!(wholly == 0 || wholly == 5000, "{wholly}");
}

#[test]
fn a_timeout_counts_from_the_last_byte_and_anew_when_changed() {
    let start = Instant::now();
    let mut stage = stage("timeout", r#"{"timeout":100}"#, start);
    let mut inbox = Queue::default();
    assert!(matches!(stage.step(&mut inbox, start), Step::WaitUntil(at) if at == start + ms(100)));
    inbox = queue(&[5], start);
    assert!(
        matches!(stage.step(&mut inbox, start + ms(80)), Step::WaitUntil(at) if at == start + ms(180))
    );
    stage.retune(&kind("timeout", r#"{"timeout":50}"#), start + ms(150));
    // The end of the stream vanishes as the bytes do.
    inbox.end(Ending::Eof);
    assert!(
        matches!(stage.step(&mut inbox, start + ms(150)), Step::WaitUntil(at) if at == start + ms(200))
    );
    assert!(matches!(
        stage.step(&mut inbox, start + ms(200)),
        Step::End(Ending::Close)
    ));
}
