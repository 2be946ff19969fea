using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class TrainerTests
{
    private static readonly Gpt2Config Config =
        new()
        {
            VocabularySize = 256,
            ContextLength = 24,
            Width = 32,
            Layers = 2,
            Heads = 2,
            EmbeddingDropout = 0.1f,
            AttentionDropout = 0.1f,
            ResidualDropout = 0.1f
        };

    private static readonly TrainingOptions Options = new() { Steps = 20, BatchSize = 3, MicroBatches = 2, LearningRate = 3e-3, Seed = 11 };

    [Fact]
    public async Task A_resumed_run_has_the_losses_and_weights_of_an_undisturbed_one_to_the_bit()
    {
        using var folder = new TemporaryFolder();
        using var data = Text();
        using var straight = Gpt2.Create(Config, 1);
        var expected = await Run(straight, Options, data);

        using var interrupted = Gpt2.Create(Config, 1);
        var options = Options with { Checkpoints = new TrainingCheckpoints(folder.At("run")) { Every = 5 } };
        using var stop = new CancellationTokenSource();
        var losses = new Recorder(value =>
        {
            if (value.Step == 13)
                stop.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new Trainer(interrupted, options).RunAsync(data, losses, stop.Token));
        Assert.Equal(13, losses.Values.Count);

        // Another process begins with fresh weights; those of step 10 come from the disk.
        using var resumed = Gpt2.Create(Config, 999);
        var rest = new Recorder();
        var result = await new Trainer(resumed, options).RunAsync(data, rest);
        Assert.Equal(10, result.ResumedFrom);
        Assert.Equal(expected[10..], rest.Values.Select(v => v.Loss));
        Assert.Equal(expected[..13], losses.Values.Select(v => v.Loss));
        for (int i = 0; i < straight.Parameters.Count; i++)
            Assert.True(straight.Parameters[i].Values.SequenceEqual(resumed.Parameters[i].Values), straight.Parameters[i].Name);
        using var saved = ModelCheckpoint.Load(folder.At("run"));
        Assert.True(saved.Parameters[0].Values.SequenceEqual(straight.Parameters[0].Values));

        // A run that is complete has nothing left to do.
        using var again = Gpt2.Create(Config, 3);
        var nothing = await new Trainer(again, options).RunAsync(data);
        Assert.Equal((20, null), (nothing.ResumedFrom, nothing.Loss));
        Assert.True(again.Parameters[0].Values.SequenceEqual(straight.Parameters[0].Values));
    }

    [Fact]
    public async Task Recomputed_activations_give_the_same_weights_in_less_memory()
    {
        var config = Config with { Layers = 6, ContextLength = 64 };
        using var data = Text();
        using var kept = Gpt2.Create(config, 1);
        using var recomputed = Gpt2.Create(config, 1);
        var options = Options with { Steps = 4, BatchSize = 12 };
        var losses = await Run(kept, options, data);
        Assert.Equal(losses, await Run(recomputed, options with { RecomputeActivations = true }, data));
        for (int i = 0; i < kept.Parameters.Count; i++)
            Assert.True(kept.Parameters[i].Values.SequenceEqual(recomputed.Parameters[i].Values), kept.Parameters[i].Name);
        Assert.True(Memory(recompute: true) < Memory(recompute: false) / 2);

        long Memory(bool recompute)
        {
            using var session = Device.Cpu.CreateTrainingSession(kept.Parameters, recompute: recompute);
            var pass = session.Begin(0);
            var batch = Batch.Packed([.. Enumerable.Range(0, 768).Select(i => i % 256)], 64);
            session.Backward(pass.CrossEntropy(
                kept.Logits(pass, kept.Forward(pass, batch)), [.. Enumerable.Repeat(1, batch.Tokens)], new CrossEntropyOptions()));
            return pass.MemoryBytes;
        }
    }

    [Fact]
    public async Task Recomputed_activations_give_the_same_translator()
    {
        var words = Enumerable.Range(0, 30).Select(i => new TranslationPair($"{(char)('a' + i % 7)} {(char)('a' + i % 5)}",
            $"{i % 7} {i % 5}"));
        var tokenizer = Tokenizer.TrainByteLevelBpe(["a b c"], 260, specialTokens: ["<pad>", "</s>"]);
        var settings = new SequenceSettings { EndTokenIds = [1], PadTokenId = 0 };
        float[][] weights = await Task.WhenAll(((bool[])[false, true]).Select(async recompute =>
        {
            using var model = Marian.Create(new MarianConfig
            {
                VocabularySize = tokenizer.VocabularySize,
                Width = 16,
                EncoderLayers = 2,
                DecoderLayers = 2,
                EncoderFeedForwardWidth = 32,
                DecoderFeedForwardWidth = 32,
                Dropout = 0.1f,
            }, seed: 2);
            using var task = new Translation(model, tokenizer, settings, [.. words], []);
            await new Trainer(Options with { Steps = 5, RecomputeActivations = recompute }).RunAsync(task);
            return model.Parameters.SelectMany(p => p.Values.ToArray()).ToArray();
        }));
        Assert.Equal(weights[0], weights[1]);
    }

    [Fact]
    public async Task Weights_do_not_depend_on_the_number_of_threads()
    {
        using var data = Text();
        using var one = Gpt2.Create(Config, 1);
        using var three = Gpt2.Create(Config, 1);
        var losses = await Run(one, Options with { Threads = 1 }, data);
        Assert.Equal(losses, await Run(three, Options with { Threads = 3 }, data));
        for (int i = 0; i < one.Parameters.Count; i++)
            Assert.True(one.Parameters[i].Values.SequenceEqual(three.Parameters[i].Values), one.Parameters[i].Name);
    }

    [Fact]
    public async Task A_run_is_not_resumed_with_other_data_seed_batches_or_model()
    {
        using var folder = new TemporaryFolder();
        using var data = Text();
        using var other = Text("another text");
        var options = Options with { Steps = 2, Checkpoints = new TrainingCheckpoints(folder.At("run")) };
        using var model = Gpt2.Create(Config, 1);
        await new Trainer(model, options).RunAsync(data);
        await Refused("data", options with { Steps = 4 }, other);
        await Refused("seed", options with { Steps = 4, Seed = 12 }, data);
        await Refused("batch sizes", options with { Steps = 4, BatchSize = 4 }, data);
        using var wider = Gpt2.Create(Config with { Width = 64 }, 1);
        Assert.Contains("another model",
            (await Assert.ThrowsAsync<CheckpointException>(() => new Trainer(wider, options).RunAsync(data))).Message,
            StringComparison.Ordinal);
        using var manyHeads = Gpt2.Create(Config with { Heads = 4 }, 1);
        Assert.Contains("heads",
            (await Assert.ThrowsAsync<CheckpointException>(() => new Trainer(manyHeads, options).RunAsync(data))).Message,
            StringComparison.Ordinal);
        await Refused("2 steps already", options with { Steps = 1 }, data);
        await Refused("holds checkpoints already", options with { Checkpoints = options.Checkpoints! with { Resume = false } }, data);
        Assert.Equal(2, new CheckpointFolder(folder.At("run")).LatestStep);

        async Task Refused(string words, TrainingOptions with, TokenDataset on)
            => Assert.Contains(words, (await Assert.ThrowsAsync<CheckpointException>(() => new Trainer(model, with).RunAsync(on))).Message,
                StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_lowers_the_loss_and_reports_every_step()
    {
        using var data = Text();
        using var model = Gpt2.Create(Config with { EmbeddingDropout = 0, AttentionDropout = 0, ResidualDropout = 0 }, 1);
        double before = Perplexity.Measure(model, data.Validation).Loss;
        var recorder = new Recorder();
        var result = await new Trainer(model, Options with { Steps = 60, EvaluateEvery = 25 }).RunAsync(data, recorder);
        Assert.Equal(Enumerable.Range(1, 60), recorder.Values.Select(v => (int)v.Step));
        Assert.Equal([25L, 50, 60], recorder.Values.Where(v => v.ValidationLoss is not null).Select(v => v.Step));
        Assert.All(recorder.Values, v => Assert.True(v.TokensPerSecond > 0 && v.TimeLeft >= TimeSpan.Zero && v.GradientNorm > 0));
        Assert.Equal(TimeSpan.Zero, recorder.Values[^1].TimeLeft);
        Assert.InRange(before, 5.4, 5.7); // about ln 256
        Assert.Equal(Perplexity.Measure(model, data.Validation).Loss, result.ValidationLoss);
        Assert.True(result.ValidationLoss < before - 1.5, $"{result.ValidationLoss} after {before}");
    }

    [Fact]
    public async Task A_loss_that_is_no_number_stops_the_run_and_names_the_step()
    {
        using var data = Text();
        using var model = Gpt2.Create(Config, 1);
        var options = Options with { Schedule = new JumpingSchedule(3), MaxGradientNorm = null };
        var error = await Assert.ThrowsAsync<TrainingException>(() => new Trainer(model, options).RunAsync(data));
        Assert.Contains("of step 5 is", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_that_do_not_fit_are_refused()
    {
        using var model = Gpt2.Create(Config, 1);
        using var large = TokenDataset.FromTokens(new int[100], 300);
        Assert.Contains("300", (await Assert.ThrowsAsync<TrainingException>(() => new Trainer(model, Options).RunAsync(large))).Message,
            StringComparison.Ordinal);
        using var small = TokenDataset.FromTokens(new int[24], 256, 0);
        Assert.Contains("24 tokens",
            (await Assert.ThrowsAsync<TrainingException>(() => new Trainer(model, Options).RunAsync(small))).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Trainer(model, Options with { ContextLength = 25 }));
    }

    [Fact]
    public void The_held_out_loss_predicts_every_token_but_the_first_once()
    {
        using var backend = new CpuBackend();
        using var model = Gpt2.Create(Config with { InitializerRange = 0.3f }, 4);
        var ids = Enumerable.Range(0, 100).Select(i => i * 37 % 256).ToArray();
        using var data = TokenDataset.FromTokens(ids, 256, 0);
        double sum = 0;
        int counted = 0;
        using var pass = new CpuInferencePass(backend);
        for (int start = 0; start < 99; start += 24)
        {
            int length = Math.Min(24, 99 - start);
            pass.Begin();
            var logProbabilities = pass.LogSoftmax(model.Logits(pass, model.Forward(pass, Batch.Packed(ids.AsSpan(start, length)))));
            foreach (float p in pass.Read(pass.PickColumns(logProbabilities, ids.AsSpan(start + 1, length))))
            {
                sum -= p;
                counted++;
            }
        }

        var measured = Perplexity.Measure(model, data.Train);
        Assert.Equal((99, 99), (counted, measured.Tokens));
        Assert.Equal(sum / counted, measured.Loss, 1e-5);
        Assert.Equal(Math.Exp(measured.Loss), measured.Perplexity);
    }

    [Fact]
    public void Windows_are_drawn_from_everywhere_and_depend_on_seed_step_and_row_alone()
    {
        var ids = Enumerable.Range(0, 64).ToArray();
        using var data = TokenDataset.FromTokens(ids, 64, 0);
        var sampler = new WindowSampler(data.Train, 4, 8, 5);
        var starts = new HashSet<int>();
        for (int step = 0; step < 300; step++)
        {
            sampler.Draw(step, 1);
            for (int row = 0; row < 4; row++)
            {
                int first = sampler.Batch.TokenIds[row * 8];
                starts.Add(first);
                Assert.Equal(Enumerable.Range(first, 8), sampler.Batch.TokenIds.Slice(row * 8, 8).ToArray());
                Assert.Equal(Enumerable.Range(first + 1, 8), sampler.Targets.Slice(row * 8, 8).ToArray());
            }
        }

        Assert.Equal(Enumerable.Range(0, 56), starts.Order());
        var other = new WindowSampler(data.Train, 4, 8, 5);
        other.Draw(17, 1);
        sampler.Draw(17, 1);
        Assert.Equal(sampler.Batch.TokenIds.ToArray(), other.Batch.TokenIds.ToArray());
        other.Draw(17, 0);
        Assert.NotEqual(sampler.Batch.TokenIds.ToArray(), other.Batch.TokenIds.ToArray());
    }

    [Fact]
    public void A_dataset_of_documents_ends_each_with_the_end_token_and_holds_out_of_each()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("docs/inner"));
        File.WriteAllText(folder.At("docs/b.md"), "second file\nwith two lines");
        File.WriteAllText(folder.At("docs/a.txt"), "first <|endoftext|> file");
        var tokenizer = Tokenizer.TrainByteLevelBpe(["abc"], 257);
        using var data = TokenDataset.From(tokenizer, folder.At("docs"));
        var ids = new int[data.Train.Count];
        data.Train.CopyTo(0, ids);
        var held = new int[data.Validation.Count];
        data.Validation.CopyTo(0, held);
        int end = tokenizer.TokenToId("<|endoftext|>")!.Value;
        Assert.Equal(2, held.Count(i => i == end));
        Assert.DoesNotContain(end, ids);
        Assert.Equal("first <|endoftext|> fisecond file\nwith two lin", tokenizer.Decode(ids));
        Assert.Equal("lees", tokenizer.Decode(held, skipSpecialTokens: true));
    }

    [Fact]
    public async Task Both_ways_of_accumulation_follow_the_reference_runs()
    {
        // Losses of the reference (fixture training/gpt2): every step's gradient enters the next loss.
        using var folder = FixtureArchive.Extract("training-gpt2");
        using var json = System.Text.Json.JsonDocument.Parse(await File.ReadAllBytesAsync(folder.At("runs.json")));
        using var batches = SafetensorsFile.Open(folder.At("batches.safetensors"));
        int[] ids = Array.ConvertAll(batches.ReadIntegers("input_ids"), i => (int)i),
            labels = Array.ConvertAll(batches.ReadIntegers("labels"), i => (int)i);
        int micros = (int)batches["input_ids"].Shape[1], length = (int)batches["input_ids"].Shape[3],
            size = (int)batches["input_ids"].Shape[2] * length;
        using var backend = new CpuBackend();
        foreach (var run in json.RootElement.GetProperty("runs").EnumerateArray())
        {
            var options = new TrainingOptions
            {
                Accumulation = run.GetProperty("accumulation").GetString() == "token_weighted"
                    ? GradientAccumulation.TokenWeighted
                    : GradientAccumulation.MeanOfMeans,
                LabelSmoothing = run.GetProperty("label_smoothing").GetDouble(),
                MaxGradientNorm = run.GetProperty("clip") is { ValueKind: System.Text.Json.JsonValueKind.Number } clip
                    ? clip.GetDouble()
                    : null,
            };
            using var model = ModelCheckpoint.Load(folder.Path);
            using var session = new CpuTrainingSession(model.Parameters, backend);
            var engine = new TrainingEngine(session, options);
            int step = 0;
            foreach (var rate in run.GetProperty("lr").EnumerateArray())
            {
                var targets = new int[micros][];
                for (int m = 0; m < micros; m++)
                    targets[m] = Enumerable.Range(0, size)
                        .Select(i => i % length == length - 1 ? -100 : labels[(step * micros + m) * size + i + 1]).ToArray();
                engine.Begin(step);
                double objective = 0;
                for (int m = 0; m < micros; m++)
                {
                    double weight =
                        TrainingEngine.WeightOf(options.Accumulation, [.. targets.Select(row => TokenLoss.Counted(row))], m);
                    objective += weight
                        * engine.Accumulate(
                            m,
                            TokenLoss.Of(model, Batch.Packed(ids.AsSpan((step * micros + m) * size, size), length), targets[m],
                                options.LabelSmoothing),
                            weight);
                }

                double norm = engine.Update(rate.GetDouble());
                Assert.Equal(run.GetProperty("loss")[step].GetDouble(), objective, 1e-5);
                Assert.Equal(run.GetProperty("grad_norm")[step].GetDouble(), norm, 1e-4);
                step++;
            }

            Assert.True(step >= 3);
        }
    }

    [Fact]
    public async Task Samples_are_the_same_each_time_and_change_nothing_else()
    {
        using var data = TokenDataset.From(
            TinyGpt.Tokenizer, [string.Concat(Enumerable.Repeat("the quick brown fox jumps over the lazy dog. ", 60))], 0.1);
        var options = Options with { EvaluateEvery = 10 };
        var sampled = options with { Sample = new TrainingSample(TinyGpt.Tokenizer, "the quick") { MaxTokens = 12 } };
        using Gpt2 plain = TinyGpt.Model(), first = TinyGpt.Model(), second = TinyGpt.Model();
        Recorder without = new(), once = new(), again = new();
        await new Trainer(plain, options).RunAsync(data, without);
        await new Trainer(first, sampled).RunAsync(data, once);
        await new Trainer(second, sampled).RunAsync(data, again);
        Assert.All(without.Values, value => Assert.Null(value.Sample));
        Assert.Equal([10L, 20], once.Values.Where(value => value.Sample is not null).Select(value => value.Step));
        Assert.StartsWith("the quick", once.Values[^1].Sample, StringComparison.Ordinal);
        Assert.NotEqual(once.Values[9].Sample, once.Values[^1].Sample);
        Assert.Equal(once.Values.Select(value => value.Sample), again.Values.Select(value => value.Sample));
        Assert.Equal(without.Values.Select(value => value.Loss), once.Values.Select(value => value.Loss));
    }

    private static async Task<double[]> Run(Gpt2 model, TrainingOptions options, TokenDataset data)
    {
        var recorder = new Recorder();
        await new Trainer(model, options).RunAsync(data, recorder);
        return [.. recorder.Values.Select(v => v.Loss)];
    }

    private static TokenDataset Text(string seed = "the quick brown fox")
        => TokenDataset.FromBytes(
            System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(seed + " jumps over the lazy dog. ", 60))));

    private sealed class Recorder(Action<TrainingProgress>? then = null) : IProgress<TrainingProgress>
    {
        public List<TrainingProgress> Values { get; } = [];

        public void Report(TrainingProgress value)
        {
            Values.Add(value);
            then?.Invoke(value);
        }
    }

    private sealed record JumpingSchedule(long Step) : LearningRateSchedule
    {
        public override double At(long step) => step == Step ? 1e38 : 1e-3;
    }
}
