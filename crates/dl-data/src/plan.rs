//! The plan of a scene: drawn from the seed before any sound is made, so that captions,
//! tables and single renders need nothing else.

use crate::{
    bank::{SourceBank, SourceKey},
    dice::Dice,
    grammar::Grammar,
    mix_config::MixConfig,
    scene::{Distance, Event, Relation, Scene},
    split::Split,
};

/// Draws a scene of `split` from its own dice.
pub(crate) fn plan(
    mix: &MixConfig,
    bank: &dyn SourceBank,
    grammar: &Grammar,
    split: Split,
    dice: &Dice,
) -> Scene {
    let mut labels: Vec<usize> =
        (0..bank.labels().len()).filter(|&label| bank.instances(split, label) > 0).collect();
    let relation = relation(mix, labels.len(), dice);
    let slots = slots(relation, mix.seconds, dice);
    let mut events: Vec<Event> = Vec::with_capacity(slots.len());
    for (order, &(start, end)) in slots.iter().enumerate() {
        let label = labels.swap_remove(dice.below(labels.len()));
        let instance = dice.below(bank.instances(split, label));
        let chance = dice.unit();
        let distance = if chance < mix.near {
            Distance::Near
        } else if chance < mix.near + mix.far {
            Distance::Far
        } else {
            Distance::Plain
        };
        let level = if order == 0 { 1.0 } else { dice.uniform(mix.second_gain, 1.0) };
        let available = bank.seconds(SourceKey { split, label, instance });
        let seconds = available.min(end - start);
        let texture = grammar.is_texture(label);
        let offset = if available <= seconds {
            0.0
        } else if texture {
            dice.uniform(0.0, available - seconds)
        } else {
            bank.liveliest(SourceKey { split, label, instance }, seconds)
        };
        let repeats = !texture && dice.chance(mix.repeated);
        let mut event = Event {
            label,
            instance,
            offset,
            seconds,
            onsets: if repeats { repetition(seconds, end - start, dice) } else { vec![0.0] },
            gain: level * distance.gain(),
            distance,
        };
        let partner = events.first().filter(|_| order == 1 && relation != Relation::Sequence);
        let start = onset(&event, (start, end), partner, dice);
        event.onsets.iter_mut().for_each(|onset| *onset += start);
        events.push(event);
    }
    Scene { relation, events }
}

/// How the events of a scene relate, where there are `labels` kinds of sound.
fn relation(mix: &MixConfig, labels: usize, dice: &Dice) -> Relation {
    let shares = [
        (Relation::Alone, mix.alone, 1),
        (Relation::Together, mix.together, 2),
        (Relation::Sequence, mix.sequence, 2),
        (Relation::Three, mix.three, 3),
    ];
    let total: f32 = shares.iter().map(|share| share.1).sum();
    let mut at = dice.unit() * total;
    for (relation, share, events) in shares {
        if at < share && events <= labels {
            return relation;
        }
        at -= share;
    }
    Relation::Alone
}

/// The time that each event may fill.
fn slots(relation: Relation, seconds: f32, dice: &Dice) -> Vec<(f32, f32)> {
    match relation {
        Relation::Alone => vec![(0.0, seconds)],
        Relation::Together => vec![(0.0, seconds); 2],
        Relation::Sequence => {
            let turn = seconds * dice.uniform(0.42, 0.58);
            vec![(0.0, turn), (turn, seconds)]
        }
        Relation::Three => {
            let turn = seconds * dice.uniform(0.52, 0.62);
            vec![(0.0, turn), (0.0, turn), (turn, seconds)]
        }
    }
}

/// Onsets, from 0 on, of a piece that comes two to four times within `room` seconds;
/// once when it does not fit twice.
fn repetition(seconds: f32, room: f32, dice: &Dice) -> Vec<f32> {
    let step = seconds + dice.uniform(0.15, 0.45);
    let fits = 1 + ((room - seconds).max(0.0) / step) as usize;
    let times = if fits < 2 { 1 } else { dice.count(2, fits.min(4)) };
    (0..times).map(|k| k as f32 * step).collect()
}

/// A first onset within the slot. With a `partner`, the two overlap by at least half
/// of the shorter.
fn onset(event: &Event, (start, end): (f32, f32), partner: Option<&Event>, dice: &Dice) -> f32 {
    let (mut low, mut high) = (start, (end - event.span()).max(start));
    if let Some(partner) = partner {
        let half = 0.5 * partner.span().min(event.span());
        low = low.max(partner.onsets[0] + half - event.span()).min(high);
        high = high.min(partner.onsets[0] + partner.span() - half).max(low);
    }
    dice.uniform(low, high)
}
