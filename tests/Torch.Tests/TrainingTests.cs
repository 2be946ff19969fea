using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Torch;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Torch.Tests;

/// <summary>The trainer on libtorch beside the trainer on the processor.</summary>
public sealed class TrainingTests
{
    private static readonly Gpt2Config Config = new() { VocabularySize = 256, ContextLength = 32, Width = 32, Layers = 2, Heads = 2 };

    [Theory]
    [InlineData(TorchPrecision.Float32, 2e-4)]
    [InlineData(TorchPrecision.BFloat16, 3e-2)]
    public async Task Losses_norms_and_weights_follow_the_processors(TorchPrecision precision, double tolerance)
    {
        var (want, wantNorms, wantHeld) = await Train(Device.Cpu, null, 40);
        var (got, gotNorms, gotHeld) = await Train(TorchDevice.Cpu(precision), null, 40);
        for (int i = 0; i < want.Count; i++)
        {
            Assert.Equal(want[i], got[i], tolerance);
            Assert.Equal(wantNorms[i], gotNorms[i], tolerance * 20);
        }

        // Measured by the processor on the weights that came back.
        Assert.Equal(wantHeld, gotHeld, tolerance);
        Assert.True(want[^1] < want[0] - 0.5);
    }

    [Fact]
    public async Task A_run_goes_on_on_another_device_and_back()
    {
        const double Rate = 2e-4;
        using var folder = new TemporaryFolder();
        var (unbroken, _, _) = await Train(Device.Cpu, null, 300, rate: Rate);
        var broken = new List<double>();
        foreach (var (device, steps) in new[] { (Device.Cpu, 100), (TorchDevice.Cpu(), 200), (Device.Cpu, 300) })
            broken.AddRange((await Train(device, folder.Path, steps, rate: Rate)).Losses);
        Assert.Equal(unbroken.Count, broken.Count);

        // The same to the bit until the device changes; after that rounding differs, and training makes small differences grow.
        for (int i = 0; i < unbroken.Count; i++)
            Assert.Equal(unbroken[i], broken[i], i < 100 ? 0 : 1e-3);
    }

    [Fact]
    public async Task A_resumed_run_on_libtorchs_processor_is_exact()
    {
        using var folder = new TemporaryFolder();
        var config = Config with { EmbeddingDropout = 0.1f, ResidualDropout = 0.1f, AttentionDropout = 0.1f };
        var (unbroken, _, _) = await Train(TorchDevice.Cpu(), null, 20, config);
        var broken = (await Train(TorchDevice.Cpu(), folder.Path, 8, config)).Losses;
        broken.AddRange((await Train(TorchDevice.Cpu(), folder.Path, 20, config)).Losses);
        Assert.Equal(unbroken, broken);
    }

    [Fact]
    public void Packed_conversations_do_not_see_each_other()
    {
        using var model = Gpt2.Create(Config, 1);
        int[][] texts = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]];
        using var session = TorchDevice.Cpu().CreateTrainingSession(model.Parameters);
        var pass = session.Begin(0);
        var together = pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(texts)))).ToArray();
        var alone = new List<float>();
        foreach (var text in texts)
        {
            pass = session.Begin(0);
            alone.AddRange(pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(text)))));
        }

        for (int i = 0; i < together.Length; i++)
            Assert.Equal(alone[i], together[i], 1e-4f);
    }

    [Fact]
    public void The_optimizer_steps_as_on_the_processor()
    {
        using var matrix = new Parameter("w", 3, 5);
        using var vector = new Parameter("b", 5);
        var results = new List<float[]>();
        foreach (var device in (Device[])[Device.Cpu, TorchDevice.Cpu()])
        {
            for (int i = 0; i < 15; i++)
                matrix.Values[i] = MathF.Cos(i);
            vector.Values.Fill(0.5f);
            using var session = device.CreateTrainingSession([matrix, vector]);
            var optimizer = new AdamW(session, new AdamWOptions());
            for (int step = 0; step < 5; step++)
            {
                session.ZeroGradients();
                var pass = session.Begin(step);
                var x = pass.Constant([0.1f, 0.2f, -0.1f, 0.3f, 0.2f], 1, 5);
                session.Backward(
                    pass.Sum(pass.Activate(pass.Add(pass.Linear(x, matrix), pass.Constant([0.1f, -0.2f, 0.3f], 1, 3)), Activation.Tanh)));
                pass = session.Begin(step, 1);
                session.Backward(pass.Sum(pass.Multiply(pass.FromParameter(vector), pass.Constant([1, -1, 2, 0, 3], 1, 5))));
                optimizer.Step(1e-2, 0.5f);
            }

            session.Download();
            var moment = new float[15];
            session.ReadMoment(matrix, Moments.Second, moment);
            results.Add([.. matrix.Values, .. vector.Values, .. moment]);
        }

        for (int i = 0; i < results[0].Length; i++)
            Assert.Equal(results[0][i], results[1][i], 1e-6f);
    }

    [Fact]
    public async Task Nothing_is_left_alive_after_training()
    {
        long before = TorchSharp.torch.Tensor.TotalCount;
        await Train(TorchDevice.Cpu(TorchPrecision.BFloat16), null, 5);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(before, TorchSharp.torch.Tensor.TotalCount);
    }

    private static async Task<(List<double> Losses, List<double> Norms, double HeldOut)> Train(
        Device device, string? folder, int steps, Gpt2Config? config = null, double rate = 2e-3)
    {
        var text = string.Concat(Enumerable.Range(0, 400).Select(i => $"the {(i * i) % 7} of {i % 11} and so on. "));
        using var data = TokenDataset.FromBytes(System.Text.Encoding.UTF8.GetBytes(text));
        using var model = Gpt2.Create(config ?? Config, 1);
        var losses = new List<double>();
        var norms = new List<double>();
        var progress = new Reports(p =>
        {
            losses.Add(p.Loss);
            norms.Add(p.GradientNorm);
        });
        await new Trainer(model, new TrainingOptions
        {
            Steps = steps,
            BatchSize = 4,
            MicroBatches = 2,
            Schedule = LearningRateSchedule.Constant(rate),
            Device = device,
            Threads = 1,
            EvaluateEvery = 10,
            Checkpoints = folder is null ? null : new TrainingCheckpoints(folder),
        }).RunAsync(data, progress);
        return (losses, norms, Perplexity.Measure(model, data.Validation).Loss);
    }

    private sealed class Reports(Action<TrainingProgress> then) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => then(value);
    }
}
