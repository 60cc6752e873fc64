//! Embeddings per second of the samplers with the network of the paper's size
//! (D = 512, 9.7 million parameters), over batch and steps.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dl_diffusion::{
    RowNoise,
    network::{Network, NetworkConfig},
    process::{Prediction, Process},
    samplers::{Ddim, Ddpm, Denoiser, DpmSolverPp2m, OneStep, SamplerConfig},
    schedule::ScheduleConfig,
};
use dl_torch::{Params, layers::Precision};
use tch::{Device, Tensor};

const DIM: usize = 512;

fn samplers(criterion: &mut Criterion) {
    let frozen = |precision| {
        let params = Params::new(0, Device::Cpu);
        let config = NetworkConfig { precision, ..NetworkConfig::default() };
        let network = Network::new(&params.root(), DIM, &config, true);
        params.freeze();
        network.freeze();
        network
    };
    let (network, bf16) = (frozen(Precision::F32), frozen(Precision::Bf16));
    let process = Process::new(&ScheduleConfig::default().build().expect("defaults are valid"));
    let forward = |x: &Tensor, timestep: usize| network.forward_at(x, timestep);
    let forward_bf16 = |x: &Tensor, timestep: usize| bf16.forward_at(x, timestep);
    let prediction = Prediction::X0;
    let denoiser = Denoiser { process: &process, prediction, network: &forward, norm: None };
    let denoiser_bf16 = Denoiser { network: &forward_bf16, ..denoiser };
    let one_step = || SamplerConfig::from(OneStep { timestep: 50 });
    let mut cases = vec![("one_step".to_owned(), one_step())];
    for steps in [5, 20, 50] {
        let timestep = 199;
        cases.push((format!("ddim_{steps}"), Ddim { timestep, steps, eta: 0.0 }.into()));
        cases.push((format!("ddpm_{steps}"), Ddpm { timestep, steps }.into()));
        let solver = DpmSolverPp2m { timestep, steps };
        cases.push((format!("dpm_solver_pp_2m_{steps}"), solver.into()));
    }
    let mut group = criterion.benchmark_group("samplers");
    group.sample_size(10);
    // Thirty cases: half a second and two are enough for each.
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    cases.push(("bf16_one_step".into(), one_step()));
    for (name, sampler) in cases {
        let denoiser = if name.starts_with("bf16") { &denoiser_bf16 } else { &denoiser };
        for batch in [1_usize, 64, 4096] {
            if batch == 4096 && matches!(name.rsplit('_').next(), Some("20" | "50")) {
                // A call takes up to twenty seconds and says what five steps say.
                continue;
            }
            let items: Vec<u64> = (0..batch as u64).collect();
            let noise = RowNoise { seed: 0, items: &items };
            let start = noise.draw(1, DIM, Device::Cpu);
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::new(&name, batch), |bencher| {
                bencher.iter(|| {
                    tch::no_grad(|| {
                        let draw = |draw| noise.draw(draw, DIM, Device::Cpu);
                        black_box(sampler.sample(denoiser, &start, &draw))
                    })
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, samplers);
criterion_main!(benches);
