using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Training;

/// <summary>Every recipe learns something small by a margin over a named baseline, from fixed seeds.</summary>
public sealed class RecipeTests
{
    private static readonly string[] Colors = ["red", "blue", "green", "white", "black"];
    private static readonly string[] Animals = ["cat", "dog", "bird", "fish", "horse"];

    private static readonly BertConfig Encoder = BertConfig.Tiny with
    {
        Positions = 48,
        Width = 48,
        Layers = 2,
        FeedForwardWidth = 96,
        HiddenDropout = 0,
        AttentionDropout = 0,
    };

    [Fact]
    public async Task A_masked_language_model_learns_words_from_their_context_and_the_next_sentence()
    {
        // Each document repeats one animal with one colour: what is masked can be told from the rest.
        IReadOnlyList<string>[] documents = [.. Enumerable.Range(0, 200).Select(i => (IReadOnlyList<string>)Enumerable.Range(0, 5)
            .Select(_ => $"the {Colors[i % 5]} {Animals[i / 5 % 5]} sees a {Colors[i % 5]} {Animals[i / 5 % 5]}").ToArray())];
        var tokenizer = WordPieces(documents.SelectMany(d => d));
        using var model = Bert.Create(
            Encoder with { VocabularySize = tokenizer.VocabularySize, Head = EncoderHead.Pretraining }, 1);
        using var task = new MaskedLanguageModeling(model, tokenizer, documents[..170], documents[170..]);
        var result = await new Trainer(new TrainingOptions { Steps = 250, BatchSize = 16, LearningRate = 3e-3, EvaluateEvery = 250 })
            .RunAsync(task);

        // The most frequent word ("the", "sees" or "a") would be right for less than a third of the masked ones; half of the pairs follow.
        Assert.True(Value(result, "accuracy") > 0.7, $"{Value(result, "accuracy")}");
        Assert.True(Value(result, "next_sentence_accuracy") > 0.65, $"{Value(result, "next_sentence_accuracy")}");
    }

    [Fact]
    public async Task A_classifier_an_answer_finder_and_a_tagger_learn_on_one_encoder_and_are_read_back()
    {
        using var folder = new TemporaryFolder();
        LabeledText[] texts = [.. Enumerable.Range(0, 240).Select(i => Sentence(i))];
        var tokenizer = WordPieces(texts.Select(t => t.Text).Append("what do we like because what color is it"));
        using var body = Bert.Create(Encoder with { VocabularySize = tokenizer.VocabularySize }, 1);

        using var classifier = body.WithHead(EncoderHead.SequenceClassification, ["bad", "good"], 2);
        using var classes = new TextClassification(classifier, tokenizer, texts[..200], texts[200..]);
        var options = new TrainingOptions { Steps = 120, BatchSize = 16, LearningRate = 2e-3, EvaluateEvery = 120 };
        var parts = CheckpointParts.Of(tokenizer);
        var saving = options with { Checkpoints = new TrainingCheckpoints(folder.At("classifier")) { Parts = parts } };
        var accuracy = Value(await new Trainer(saving).RunAsync(classes), "accuracy");
        Assert.True(accuracy > 0.9, $"classification {accuracy}; guessing gives 0.5");
        using (var read = EncoderCheckpoint.Load(folder.At("classifier")))
        {
            Assert.Equal(EncoderHead.SequenceClassification, read.Head);
            Assert.Equal(["bad", "good"], Assert.IsType<Bert>(read).Config.LabelNames);
            Assert.True(read.Parameters[0].Values.SequenceEqual(classifier.Parameters[0].Values));
        }

        using var tagger = body.WithHead(EncoderHead.TokenClassification, ["O", "COLOR", "ANIMAL"], 2);
        TaggedText[] tagged = [.. texts.Select(t => new TaggedText(t.Text, [.. Spans(t.Text)]))];
        using var tags = new TokenClassification(tagger, tokenizer, tagged[..200], tagged[200..]);
        accuracy = Value(await new Trainer(options).RunAsync(tags), "accuracy");
        Assert.True(accuracy > 0.95, $"tags {accuracy}; all O gives 0.6");

        using var finder = body.WithHead(EncoderHead.QuestionAnswering, null, 2);
        AnsweredQuestion[] questions = [.. Enumerable.Range(0, 240).Select(Question)];
        using var answers = new ExtractiveQuestionAnswering(finder, tokenizer, questions[..200], questions[200..]);
        var exact = Value(await new Trainer(options with { Steps = 300, LearningRate = 1e-3, EvaluateEvery = 300 }).RunAsync(answers),
            "exact_match");
        Assert.True(exact > 0.8, $"answers {exact}; always the same place gives 0.5");
    }

    [Fact]
    public async Task Sentence_embeddings_put_questions_beside_their_passages_and_load_as_a_sentence_transformer()
    {
        using var folder = new TemporaryFolder();
        TextPair[] pairs = [.. from color in Colors
                               from animal in Animals
                               from i in Enumerable.Range(0, 4)
                               select new TextPair($"where is the {color} {animal} {i}", $"a {animal} that is {color} lives here")];
        var tokenizer = WordPieces(pairs.SelectMany(p => (string[])[p.Anchor, p.Positive]));
        using var model = Bert.Create(Encoder with { VocabularySize = tokenizer.VocabularySize }, 1);
        TextPair[] heldOut = [.. from color in Colors from animal in Animals
                                 select new TextPair($"where is the {color} {animal}", $"a {animal} that is {color} lives here")];
        using var task = new SentenceEmbeddings(model, tokenizer, pairs, heldOut);
        var options = new TrainingOptions
        {
            Steps = 120,
            BatchSize = 16,
            LearningRate = 1e-3,
            EvaluateEvery = 120,
            Checkpoints = new TrainingCheckpoints(folder.At("embedder")) { Parts = CheckpointParts.Of(tokenizer) },
        };
        var recall = Value(await new Trainer(options).RunAsync(task), "recall@1");
        Assert.True(recall > 0.9, $"{recall}; guessing gives 0.04");

        using var loaded = LocalEncoder.Load(folder.At("embedder/step-120"));
        Assert.Equal(model.Width, loaded.Dimensions);
    }

    [Theory]
    [InlineData(PreferenceMethod.Dpo)]
    [InlineData(PreferenceMethod.Ipo)]
    [InlineData(PreferenceMethod.Kto)]
    [InlineData(PreferenceMethod.Orpo)]
    [InlineData(PreferenceMethod.SimPo)]
    [InlineData(PreferenceMethod.Cpo)]
    public async Task Preferences_are_learned_by_every_method(PreferenceMethod method)
    {
        var pairs = Preferences(80);
        using var model = TinyGpt.Model();
        using var task = new PreferenceOptimization(model, pairs.Train, pairs.HeldOut,
            new PreferenceOptimizationOptions { Method = method });
        var result = await new Trainer(
            new TrainingOptions { Steps = 40, BatchSize = 8, LearningRate = 1e-3, EvaluateEvery = 40, MaxGradientNorm = 1 }).RunAsync(task);
        Assert.True(Value(result, "accuracy") > 0.9, $"{method}: {Value(result, "accuracy")}; guessing gives 0.5");
    }

    [Fact]
    public async Task A_reward_model_learns_preferences_and_PPO_raises_its_reward_near_the_reference()
    {
        using var folder = new TemporaryFolder();
        var pairs = Preferences(80);
        using var reward = RewardModel.Create(TinyGpt.Model(), 1);
        using (var task = new RewardModeling(reward, pairs.Train, pairs.HeldOut))
        {
            var options = new TrainingOptions
            {
                Steps = 60,
                BatchSize = 8,
                LearningRate = 1e-3,
                EvaluateEvery = 60,
                Checkpoints = new TrainingCheckpoints(folder.At("reward")),
            };
            var learned = await new Trainer(options).RunAsync(task);
            Assert.True(Value(learned, "accuracy") > 0.9, $"{Value(learned, "accuracy")}");
            Assert.Equal(60, (await new Trainer(options).RunAsync(task)).ResumedFrom);
        }

        using var model = TinyGpt.Model();
        using var reference = TinyGpt.Model();
        RewardedPrompt[] prompts = [new("the quick "), new("the lazy "), new("a brown "), new("over the ")];
        using var policy = new ProximalPolicyOptimization(
            model, reference, TinyGpt.Tokenizer, prompts, prompts, (_, completion) => Math.Min(1, completion.Count(c => c == 'o') / 4.0),
            new PolicyOptimizationOptions { GroupSize = 4, MaxCompletionTokens = 8, KlWeight = 0.01f });
        var seen = new Recorder();
        await new Trainer(new TrainingOptions { Steps = 30, BatchSize = 4, LearningRate = 1e-3 }).RunAsync(policy, seen);
        double first = seen.Mean("reward", 0, 5), last = seen.Mean("reward", 25, 30);
        Assert.True(last > first + 0.1, $"{first} to {last}");
    }

    [Fact]
    public async Task GRPO_raises_a_verifiable_reward()
    {
        using var model = TinyGpt.Model();
        using var reference = TinyGpt.Model();
        RewardedPrompt[] prompts = [new("the quick "), new("the lazy "), new("a brown "), new("over the ")];
        using var task = new GroupRelativePolicyOptimization(
            model, reference, TinyGpt.Tokenizer, prompts, prompts, (_, completion) => Math.Min(1, completion.Count(c => c == 'o') / 4.0),
            new PolicyOptimizationOptions { GroupSize = 8, MaxCompletionTokens = 8, KlWeight = 0.01f });
        var seen = new Recorder();
        await new Trainer(new TrainingOptions { Steps = 30, BatchSize = 4, LearningRate = 1e-3 }).RunAsync(task, seen);
        double first = seen.Mean("reward", 0, 5), last = seen.Mean("reward", 25, 30);
        Assert.True(last > first + 0.2, $"{first} to {last}");
        Assert.True(seen.Mean("kl", 25, 30) < 5);
    }

    [Fact]
    public async Task A_student_learns_its_teacher_better_than_the_text_alone()
    {
        using var data = TokenDataset.FromBytes(System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 300)
            .Select(i => $"the {Colors[i * 7 % 5]} {Animals[i * 3 % 5]} sees a {Colors[i * 2 % 5]} {Animals[i % 5]}. "))));
        var config = new Gpt2Config { VocabularySize = 256, ContextLength = 32, Width = 32, Layers = 2, Heads = 2 };
        using var teacher = Gpt2.Create(config, 1);
        var options = new TrainingOptions { Steps = 150, BatchSize = 8, LearningRate = 3e-3, EvaluateEvery = 150 };
        await new Trainer(teacher, options).RunAsync(data);
        using var student = Gpt2.Create(config with { Width = 16, Layers = 1 }, 2);
        using var task = new Distillation(student, teacher, data) { Alpha = 0.8f };
        var result = await new Trainer(options).RunAsync(task);
        Assert.True(result.ValidationLoss < 2.75, $"{result.ValidationLoss}; the letters' frequencies give 2.9");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task An_adapter_is_trained_resumed_to_the_bit_merged_and_removed(bool dora, bool rankStabilized)
    {
        using var folder = new TemporaryFolder();
        using var data = TokenDataset.FromTokens(
            TinyGpt.Tokenizer.Encode(string.Concat(Enumerable.Repeat("the quick brown fox jumps over the lazy dog. ", 40))),
            TinyGpt.Tokenizer.VocabularySize);
        var lora = new LoraOptions { Rank = 4, Dora = dora, RankStabilized = rankStabilized };
        var options = new TrainingOptions { Steps = 12, BatchSize = 4, ContextLength = 24, LearningRate = 5e-3, EvaluateEvery = 12 };
        using var straight = TinyGpt.Model();
        var before = straight.Parameters.Select(p => p.Values.ToArray()).ToArray();
        straight.AddLora(lora);
        var expected = new Recorder();
        var result = await new Trainer(straight, options).RunAsync(data, expected);

        using var interrupted = TinyGpt.Model();
        interrupted.AddLora(lora);
        var saving = options with { Checkpoints = new TrainingCheckpoints(folder.At("run")) { Every = 100, SaveWhenCancelled = true } };
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => new Trainer(interrupted, saving).RunAsync(data, new Recorder(p => { if (p.Step == 7) stop.Cancel(); }), stop.Token));
        using var resumed = TinyGpt.Model();
        resumed.AddLora(lora with { Seed = 99 });
        var rest = new Recorder();
        var second = await new Trainer(resumed, saving).RunAsync(data, rest);
        Assert.Equal(7, second.ResumedFrom);
        Assert.Equal(expected.Losses[7..], rest.Losses);

        // The weights themselves have not moved; merged, the model gives what it gave with the adapter beside them.
        for (int i = 0; i < before.Length; i++)
            Assert.True(straight.Parameters[i].Values.SequenceEqual(before[i]));
        straight.SaveLora(folder.At("adapter"));
        double beside = Loss(straight, data);
        straight.MergeLora();
        Assert.Equal(beside, Loss(straight, data), 1e-4);
        using var again = TinyGpt.Model();
        again.ContinueLora(folder.At("adapter"));
        Assert.Equal(beside, Loss(again, data), 1e-4);
        again.RemoveLora();
        Assert.NotEqual(beside, Loss(again, data), 2);
        Assert.Equal(beside, result.ValidationLoss!.Value, 1e-4);
    }

    [Fact]
    public async Task An_adapter_over_quantised_weights_learns_and_leaves_them_alone()
    {
        using var folder = new TemporaryFolder();
        using (var source = Gpt2.Create(new Gpt2Config { VocabularySize = 256, ContextLength = 32, Width = 32, Layers = 2, Heads = 2 }, 3))
            source.Save(folder.At("source"));
        ModelExport.SaveGguf(folder.At("source"), folder.At("q4.gguf"), LocalModel.Tensors.DataType.Q4_0);
        using var model = ModelCheckpoint.Load(folder.At("q4.gguf"), WeightPrecision.AsStored);
        Assert.Contains(model.Parameters, p => p.Format == LocalModel.Tensors.DataType.Q4_0);
        using var data = TokenDataset.FromBytes(
            System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the quick brown fox jumps. ", 40))));
        double before = Loss(model, data);
        model.AddLora(new LoraOptions { Rank = 8 });
        var options = new TrainingOptions { Steps = 80, BatchSize = 4, LearningRate = 1e-2, EvaluateEvery = 80 };
        var result = await new Trainer(model, options).RunAsync(data);
        Assert.True(result.ValidationLoss < before - 0.3, $"{before} to {result.ValidationLoss}");
    }

    [Fact]
    public async Task Muon_averaged_weights_last_layers_and_layer_rates_resume_to_the_bit()
    {
        using var folder = new TemporaryFolder();
        using var data = TokenDataset.FromBytes(
            System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the quick brown fox jumps over the lazy dog. ", 40))));
        var config = new Gpt2Config { VocabularySize = 256, ContextLength = 24, Width = 32, Layers = 3, Heads = 2 };
        foreach (var options in (TrainingOptions[])[
            new() { Optimizer = new MuonOptions(), AverageDecay = 0.9 },
            new() { Scope = new TrainingScope { LastLayers = 1 } },
            new() { Scope = new TrainingScope { LayerDecay = 0.5 }, Optimizer = new LionOptions(), LearningRate = 1e-4 },
            new() { Scope = new TrainingScope { LayerDecay = 0.5 } }])
        {
            var run = options with { Steps = 10, BatchSize = 3, EvaluateEvery = 10 };
            using var straight = Gpt2.Create(config, 1);
            using var start = Gpt2.Create(config, 1);
            var expected = new Recorder();
            var result = await new Trainer(straight, run).RunAsync(data, expected);
            var place = folder.At(Guid.NewGuid().ToString("N"));
            using var stop = new CancellationTokenSource();
            using var interrupted = Gpt2.Create(config, 1);
            var saving = run with { Checkpoints = new TrainingCheckpoints(place) { Every = 4 } };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => new Trainer(interrupted, saving).RunAsync(data, new Recorder(p => { if (p.Step == 6) stop.Cancel(); }), stop.Token));
            using var resumed = Gpt2.Create(config, 1);
            var rest = new Recorder();
            var second = await new Trainer(resumed, saving).RunAsync(data, rest);
            Assert.Equal(4, second.ResumedFrom);
            Assert.Equal(expected.Losses[4..], rest.Losses);
            Assert.Equal(result.ValidationLoss, second.ValidationLoss);
            for (int i = 0; i < straight.Parameters.Count; i++)
                Assert.True(straight.Parameters[i].Values.SequenceEqual(resumed.Parameters[i].Values), straight.Parameters[i].Name);
            bool moved(string name) => !straight.Parameters.Single(p => p.Name == name).Values
                .SequenceEqual(start.Parameters.Single(p => p.Name == name).Values);
            Assert.True(moved("transformer.h.2.mlp.c_fc.weight"));
            Assert.Equal(options.Scope?.LastLayers is null, moved("transformer.h.1.mlp.c_fc.weight"));
        }
    }

    [Fact]
    public async Task What_is_measured_without_training_is_what_a_run_measures_at_its_end()
    {
        LabeledText[] texts = [.. Enumerable.Range(0, 60).Select(Sentence)];
        var tokenizer = WordPieces(texts.Select(t => t.Text));
        using var model = Bert.Create(Encoder with
        {
            VocabularySize = tokenizer.VocabularySize,
            Head = EncoderHead.SequenceClassification,
        }, 1);
        using var task = new TextClassification(model, tokenizer, texts[..40], texts[40..]);
        var trainer = new Trainer(new TrainingOptions { Steps = 5, BatchSize = 8, LearningRate = 2e-3, EvaluateEvery = 5 });
        var before = await trainer.MeasureAsync(task);
        Assert.Equal(before, await trainer.MeasureAsync(task));
        var result = await trainer.RunAsync(task);
        Assert.NotEqual(before, result.Measurements);
        Assert.Equal(result.Measurements, await trainer.MeasureAsync(task));
    }

    private static double Loss(CausalModel model, TokenDataset data)
        => LocalModel.Evaluation.Perplexity.Measure(model, data.Validation, contextLength: 24).Loss;

    private static double Value(TrainingResult result, string name) => result.Measurements.Single(m => m.Name == name).Value;

    private static Tokenizer WordPieces(IEnumerable<string> texts) => Tokenizer.TrainWordPiece(texts, new WordPieceTrainingOptions
    {
        VocabularySize = 200,
        SpecialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    });

    private static LabeledText Sentence(int i)
    {
        bool good = i % 2 == 0;
        var color = Colors[i % 5];
        return new LabeledText($"the {color} {Animals[i / 5 % 5]} is {(good ? "very nice" : "quite awful")} today", good ? 1 : 0);
    }

    private static IEnumerable<(int, int, int)> Spans(string text)
    {
        foreach (var (words, label) in ((string[], int)[])[(Colors, 1), (Animals, 2)])
            foreach (var word in words)
                if (text.IndexOf($" {word} ", StringComparison.Ordinal) is >= 0 and var at)
                    yield return (at + 1, at + 1 + word.Length, label);
    }

    private static AnsweredQuestion Question(int i)
    {
        string animal = Animals[i % 5], color = Colors[i / 3 % 5];
        var passage = $"we like the {animal} because it is {color}";
        return i % 2 == 0
            ? new AnsweredQuestion("what do we like", passage, [animal], passage.IndexOf(animal, StringComparison.Ordinal))
            : new AnsweredQuestion("what color is it", passage, [color], passage.LastIndexOf(color, StringComparison.Ordinal));
    }

    private static (PreferencePairs Train, PreferencePairs HeldOut) Preferences(int count)
    {
        // The one that says "fox" is preferred to the one that says "dog".
        PreferencePair[] pairs = [.. Enumerable.Range(0, count).Select(i => new PreferencePair(
            $"the {Colors[i % 5]} {Animals[i / 5 % 5]}", $" jumps over {i % 7} fox", $" jumps over {i % 7} dog"))];
        int end = TinyGpt.Tokenizer.TokenToId("<|end|>")!.Value;
        return (PreferencePairs.From(TinyGpt.Tokenizer, pairs[..(count * 3 / 4)], end),
            PreferencePairs.From(TinyGpt.Tokenizer, pairs[(count * 3 / 4)..], end));
    }

    private sealed class Recorder(Action<TrainingProgress>? then = null) : IProgress<TrainingProgress>
    {
        private readonly List<TrainingProgress> _values = [];

        public double[] Losses => [.. _values.Select(v => v.Loss)];

        public double Mean(string name, int from, int to)
            => _values[from..to].Average(v => v.Measurements.Single(m => m.Name == name).Value);

        public void Report(TrainingProgress value)
        {
            _values.Add(value);
            then?.Invoke(value);
        }
    }
}
