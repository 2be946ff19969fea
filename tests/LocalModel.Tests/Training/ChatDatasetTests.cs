using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Samples.ToolCalling;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class ChatDatasetTests
{
    private const int Context = 160;

    // Qwen's manner: functions and calls of its own, no generation blocks, and reasoning only in the last answer.
    private const string Foreign =
        "{% if tools %}{{ '<|system|>' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '<|end|>\\n' }}{% endif %}"
        + "{% for m in messages %}{% if m.role == 'tool' %}{{ '<|user|><tool_response>' + m.content + '</tool_response>' }}"
        + "{% else %}{{ '<|' + m.role + '|>' }}{% if m.reasoning_content and loop.last %}"
        + "{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}"
        + "{{ '<tool_call>{\"name\": \"' + c.function.name + '\", \"arguments\": ' }}{{ c.function.arguments | tojson }}"
        + "{{ '}</tool_call>' }}"
        + "{% endfor %}{% endif %}{{ '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

    private static readonly Gpt2Config Config =
        new() { VocabularySize = 300, ContextLength = Context, Width = 32, Layers = 2, Heads = 2, InitializerRange = 0.2f };

    private static readonly ChatDatasetOptions All = new() { ContextLength = Context, ValidationFraction = 0 };

    private static Tokenizer Tokenizer => TinyGpt.Tokenizer;

    public static TheoryData<string> Templates => ["kotonoha", "foreign"];

    [Fact]
    public void What_is_held_out_may_come_from_another_dataset_and_is_not_trained_on()
    {
        using var train = ChatDataset.FromCompletions(Tokenizer, Texts("fox", 8, 1), null, All);
        using var heldOut = ChatDataset.FromCompletions(Tokenizer, Texts("dog", 3, 30), null, All with { ContextLength = 100 });
        using var both = train.WithValidation(heldOut);
        Assert.Equal((8, 3, 1), (both.TrainConversations, both.ValidationConversations, both.Skipped));
        Assert.Equal((train.Tokens, train.AnswerTokens, train.Fingerprint), (both.Tokens, both.AnswerTokens, both.Fingerprint));
        Assert.Equal(Math.Max(train.LongestConversation, heldOut.LongestConversation), both.LongestConversation);

        using var model = Gpt2.Create(Config, 3);
        using var session = Devices.Device.Cpu.CreateInferenceSession();
        Assert.Null(train.MeasureValidationLoss(model, session, Context, default));
        Assert.NotNull(both.MeasureValidationLoss(model, session, Context, default));
        var small = Kotonoha.Tokenizers.Tokenizer.TrainByteLevelBpe(["the quick brown fox"], 260);
        using var other = ChatDataset.FromCompletions(small, Texts("fox", 2, 1), null, All);
        Assert.Contains("vocabulary", Assert.Throws<ArgumentException>(() => train.WithValidation(other)).Message,
            StringComparison.Ordinal);

        // The last one is longer than 100 tokens where words come often.
        static IEnumerable<(string, string)> Texts(string animal, int count, int words)
            => Enumerable.Range(0, count + (words > 1 ? 1 : 0)).Select(
                i => ($"the {animal} {i}", i == count ? string.Concat(Enumerable.Repeat(" quick brown fox", 60)) : $" jumps {i}"));
    }

    [Fact]
    public void Loss_and_gradients_of_packed_conversations_are_those_of_each_alone()
    {
        var examples = Examples(5);
        using var backend = new CpuBackend();
        using var model = Gpt2.Create(Config, 3);
        var (packedLoss, packed) = Run(model, backend, [examples], [1]);
        int[] counts = [.. examples.Select(e => e.Mask.Count(m => m))];
        var (loss, alone) =
            Run(model, backend, [.. examples.Select(e => new[] { e })], [.. counts.Select(c => (double)c / counts.Sum())]);
        Assert.Equal(loss, packedLoss, 1e-6);
        Assert.True(alone.Max(Math.Abs) > 1e-3);
        for (int i = 0; i < alone.Length; i++)
            Assert.Equal(alone[i], packed[i], 1e-6);
    }

    [Fact]
    public void A_conversation_does_not_see_its_neighbours()
    {
        var examples = Examples(4);
        using var backend = new CpuBackend();
        using var model = Gpt2.Create(Config, 3);
        var alone = Losses(model, backend, examples[1]);
        Assert.Equal(alone, Losses(model, backend, examples[0], examples[1], examples[2])[(examples[0].Ids.Length - 1)..][..alone.Length]);
        Assert.Equal(alone, Losses(model, backend, examples[3], examples[1])[(examples[3].Ids.Length - 1)..]);
    }

    [Fact]
    public void Tokens_that_are_not_learned_contribute_nothing()
    {
        // What stands behind everything that is learned can be anything.
        var ids = Enumerable.Range(20, 30).ToArray();
        bool[] mask = [.. ids.Select((_, i) => i is >= 5 and < 12)];
        int[] other = [.. ids.Select((id, i) => i < 12 ? id : 299 - id)];
        using var backend = new CpuBackend();
        using var model = Gpt2.Create(Config, 3);
        var (loss, gradients) = Run(model, backend, [[new ChatExample(ids, mask)]], [1]);
        var (same, sameGradients) = Run(model, backend, [[new ChatExample(other, mask)]], [1]);
        Assert.Equal(loss, same);
        Assert.Equal(gradients, sameGradients);

        // And what is learned does matter.
        other[11]++;
        Assert.NotEqual(loss, Run(model, backend, [[new ChatExample(other, mask)]], [1]).Loss);
    }

    [Theory]
    [MemberData(nameof(Templates))]
    public void What_is_trained_is_what_is_asked_to_the_token(string name)
    {
        var template = Template(name);
        using var gpt = TinyGpt.Create(new LocalGptOptions { ChatTemplate = template }, contextLength: 3000);
        var data = new ToolCallingData(4);
        for (int n = 0; n < 10; n++)
        {
            var conversation = data.Conversation(2);
            conversation = conversation with
            {
                Turns =
                [
                    new ChatTurn(ChatTurn.System, "Spell <|end|> as it is."),
                    .. conversation.Turns.Where(turn => turn.Role != ChatTurn.System),
                ],
            };
            var example = Assert.Single(Encoded(template, conversation));
            int at = 0;
            for (int turn = 0; turn < conversation.Turns.Count; turn++)
            {
                if (conversation.Turns[turn].Role != ChatTurn.Assistant)
                    continue;
                var request = new GenerationRequest { Turns = [.. conversation.Turns.Take(turn)], Tools = conversation.Tools };
                int[] asked = gpt.EncodePrompt(request);
                Assert.Equal(asked, example.Ids[..asked.Length]);
                Assert.DoesNotContain(true, example.Mask[at..asked.Length]);
                at = Array.IndexOf(example.Ids, gpt.Tokenizer.TokenToId("<|end|>")!.Value, asked.Length) + 1;
                Assert.DoesNotContain(false, example.Mask[asked.Length..at]);
            }

            Assert.Equal(example.Ids.Length, at);
        }
    }

    [Fact]
    public void An_answer_whose_past_looks_different_later_is_an_example_of_its_own()
    {
        var conversation = new Conversation(
        [
            new ChatTurn(ChatTurn.User, "a"), new ChatTurn(ChatTurn.Assistant, "b") { Reasoning = "hm" }, new ChatTurn(ChatTurn.User, "c"),
            new ChatTurn(ChatTurn.Assistant, "d") { Reasoning = "so" },
        ]);
        var examples = Encoded(Template("foreign"), conversation);
        Assert.Equal(
            ["<|user|>a<|end|>\n<|assistant|>[<think>hm</think>b<|end|>]",
                "<|user|>a<|end|>\n<|assistant|>b<|end|>\n<|user|>c<|end|>\n<|assistant|>[<think>so</think>d<|end|>]"],
            examples.Select(Marked));
    }

    [Fact]
    public void A_template_that_answers_otherwise_than_it_asks_is_refused()
    {
        var template = ChatTemplate.FromJinja("{% for m in messages %}{{ m.role + ':' + m.content }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ 'assistant:<think>' }}{% endif %}");
        var conversation = new Conversation([new ChatTurn(ChatTurn.User, "a"), new ChatTurn(ChatTurn.Assistant, "b")]);
        Assert.Contains("turn 2",
            Assert.Throws<TrainingException>(() => ChatDataset.From(Tokenizer, template, [conversation], All)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Answers_that_are_not_learned_are_context_alone()
    {
        var conversation = Conversation.Parse("""
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}
            """);
        Assert.Equal(
            "<|user|>a<|end|><|assistant|>b<|end|><|user|>c<|end|><|assistant|>[d<|end|>]",
            Marked(Assert.Single(Encoded(ChatTemplate.Kotonoha, conversation))));
        Assert.Empty(Encoded(ChatTemplate.Kotonoha, conversation with { NotLearned = new HashSet<int> { 1, 3 } }));
    }

    [Fact]
    public void Conversations_that_are_too_long_are_skipped_or_cut_and_counted()
    {
        Conversation[] conversations = [Words(3), Words(100), Words(5, question: 100), new([new ChatTurn(ChatTurn.User, "no answer")])];
        var options = All with { ContextLength = 40 };
        var skipped = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, conversations, options);
        Assert.Equal((1, 2, 0, 1), (skipped.TrainConversations, skipped.Skipped, skipped.Cut, skipped.WithoutAnswer));
        var cut = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, conversations, options with { TooLong = LongConversations.Cut });
        Assert.Equal((2, 1, 1, 1), (cut.TrainConversations, cut.Skipped, cut.Cut, cut.WithoutAnswer));
        Assert.Equal(40 + skipped.Tokens, cut.Tokens);
        var none = Assert.Throws<TrainingException>(
            () => ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, conversations, options with { ContextLength = 4 }));
        Assert.Contains("3 are longer than 4 tokens, 1 have no answer", none.Message, StringComparison.Ordinal);

        static Conversation Words(int answer, int question = 1) => new(
            [new ChatTurn(ChatTurn.User, string.Concat(Enumerable.Repeat("q ", question))),
                new ChatTurn(ChatTurn.Assistant, string.Concat(Enumerable.Repeat("a ", answer)))]);
    }

    [Fact]
    public void What_is_held_out_depends_on_the_conversations_alone_and_equal_ones_stay_together()
    {
        var conversations = Talks(40).Concat(Talks(40)).ToList();
        var options = All with { ValidationFraction = 0.25 };
        var data = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, conversations, options);
        var reversed = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, conversations.AsEnumerable().Reverse(), options);
        Assert.Equal((60, 20), (data.TrainConversations, data.ValidationConversations));
        Assert.Equal(data.Tokens, reversed.Tokens);
        Assert.NotEqual(data.Fingerprint, reversed.Fingerprint);
        var twice = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, conversations.Concat(conversations), options);
        Assert.Equal(2 * data.Tokens, twice.Tokens);

        // Most conversations are the same one: it is trained on.
        var same = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, [.. Talks(5), .. Enumerable.Repeat(conversations[0], 15)], options);
        Assert.Equal((16, 4), (same.TrainConversations, same.ValidationConversations));
        Assert.Throws<TrainingException>(
            () => ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, [conversations[0]], options));
    }

    [Fact]
    public void Every_conversation_is_drawn_once_an_epoch_and_draws_depend_on_seed_and_step_alone()
    {
        var examples = Enumerable.Range(0, 50).Select(i => new ChatExample([i, .. Enumerable.Repeat(99, 2 + i % 7)], Learned(3 + i % 7)))
            .ToArray();
        var sampler = new ConversationSampler(examples, 30, 2, 5);
        var drawn = new List<int>();
        var batches = new List<int[]>();
        for (int step = 0; step < 20; step++)
            for (int micro = 0; micro < 2; micro++)
            {
                sampler.Draw(step, micro);
                batches.Add(sampler.Batch.TokenIds.ToArray());
                drawn.AddRange(sampler.Batch.TokenIds.ToArray().Where(id => id != 99));
                Assert.InRange(sampler.Batch.Tokens, 22, 30);
            }

        var epochs = drawn.Chunk(50).Where(epoch => epoch.Length == 50).ToList();
        Assert.True(epochs.Count > 2);
        Assert.All(epochs, epoch => Assert.Equal(Enumerable.Range(0, 50), epoch.Order()));
        Assert.NotEqual(epochs[0], epochs[1]);
        var other = new ConversationSampler(examples, 30, 2, 5);
        foreach (var (step, micro) in ((int, int)[])[(17, 1), (17, 0), (17, 1), (3, 0), (19, 1)])
        {
            other.Draw(step, micro);
            Assert.Equal(batches[step * 2 + micro], other.Batch.TokenIds.ToArray());
        }

        var reseeded = new ConversationSampler(examples, 30, 2, 6);
        reseeded.Draw(0, 0);
        Assert.NotEqual(batches[0], reseeded.Batch.TokenIds.ToArray());

        static bool[] Learned(int length) => [.. Enumerable.Range(0, length).Select(i => i > 0)];
    }

    [Theory]
    [InlineData(GradientAccumulation.MeanOfMeans)]
    [InlineData(GradientAccumulation.TokenWeighted)]
    public async Task A_resumed_run_on_conversations_has_the_losses_of_an_undisturbed_one_to_the_bit(GradientAccumulation accumulation)
    {
        using var folder = new TemporaryFolder();
        using var data = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, Talks(60), All with { ValidationFraction = 0.2 });
        var options = new TrainingOptions
        {
            Steps = 14,
            BatchSize = 2,
            MicroBatches = 2,
            Accumulation = accumulation,
            LearningRate = 3e-3,
            EvaluateEvery = 7,
            Seed = 11,
        };
        using var straight = Gpt2.Create(Config, 1);
        var expected = new List<TrainingProgress>();
        await new Trainer(straight, options).RunAsync(data, new Recorder(expected));
        Assert.True(expected[^1].Loss < expected[0].Loss - 0.5);

        var saving = options with { Checkpoints = new TrainingCheckpoints(folder.At("run")) { Every = 5 } };
        using var interrupted = Gpt2.Create(Config, 1);
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new Trainer(interrupted, saving)
            .RunAsync(data, new Recorder([], value => { if (value.Step == 8) stop.Cancel(); }), stop.Token));
        using var resumed = Gpt2.Create(Config, 999);
        var rest = new List<TrainingProgress>();
        var result = await new Trainer(resumed, saving).RunAsync(data, new Recorder(rest));
        Assert.Equal(5, result.ResumedFrom);
        Assert.Equal(expected[5..].Select(p => (p.Loss, p.ValidationLoss)), rest.Select(p => (p.Loss, p.ValidationLoss)));
        for (int i = 0; i < straight.Parameters.Count; i++)
            Assert.True(straight.Parameters[i].Values.SequenceEqual(resumed.Parameters[i].Values), straight.Parameters[i].Name);
    }

    [Fact]
    public async Task The_held_out_loss_is_the_mean_over_the_answers_of_what_was_held_out()
    {
        var talks = Talks(30).ToList();
        using var data = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, talks, All with { ValidationFraction = 0.3 });
        using var everything = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, talks, All);
        using var backend = new CpuBackend();
        using var model = Gpt2.Create(Config, 1);
        var options = new TrainingOptions { Steps = 1, BatchSize = 1, EvaluateEvery = 1, LearningRate = 1e-9 };
        var measured = (await new Trainer(model, options).RunAsync(data)).ValidationLoss!.Value;
        var examples = talks.SelectMany(t => Encoded(ChatTemplate.Kotonoha, t)).OrderBy(e => e.Hash).Take(data.ValidationConversations)
            .ToList();
        var losses = examples.SelectMany(e => Losses(model, backend, e).Where((_, i) => e.Mask[i + 1])).ToList();
        Assert.Equal(losses.Average(), measured, 1e-5);
        Assert.Equal(everything.Tokens - data.Tokens, examples.Sum(e => e.Ids.Length));
        Assert.Equal(everything.AnswerTokens - data.AnswerTokens, losses.Count);
    }

    [Fact]
    public async Task A_dataset_with_longer_conversations_than_the_context_is_refused()
    {
        using var data = ChatDataset.From(Tokenizer, ChatTemplate.Kotonoha, Talks(5), All);
        using var model = Gpt2.Create(Config with { ContextLength = 16 }, 1);
        var error = await Assert.ThrowsAsync<TrainingException>(() => new Trainer(model, new TrainingOptions()).RunAsync(data));
        Assert.Contains("the context is 16", error.Message, StringComparison.Ordinal);
    }

    private static ChatTemplate Template(string name) => name == "kotonoha"
        ? ChatTemplate.Kotonoha
        : ChatEncoding.ReadTemplate(Foreign, tokenizer: Tokenizer);

    private static List<ChatExample> Encoded(ChatTemplate template, Conversation conversation)
        => [.. ChatExample.Render(template, conversation).Select(r => r.Encode(Tokenizer)).Where(e => e.Ids.Length > 0)];

    // The text with what is learned in brackets.
    private static string Marked(ChatExample example)
    {
        var text = new System.Text.StringBuilder();
        for (int i = 0; i < example.Ids.Length; i++)
        {
            text.Append(example.Mask[i] && !example.Mask[i - 1] ? "[" : "").Append(Tokenizer.Decode([example.Ids[i]]));
            text.Append(example.Mask[i] && (i + 1 == example.Ids.Length || !example.Mask[i + 1]) ? "]" : "");
        }

        return text.ToString();
    }

    private static IEnumerable<Conversation> Talks(int count)
        => Enumerable.Range(0, count).Select(i => new Conversation(
            [
                new ChatTurn(ChatTurn.User, $"fox {i}"), new ChatTurn(ChatTurn.Assistant, $"lazy dog {i % 3}"),
                new ChatTurn(ChatTurn.User, "and?"), new ChatTurn(ChatTurn.Assistant, new string('z', 1 + i % 5)),
            ]));

    private static ChatExample[] Examples(int count) => [.. Talks(count).SelectMany(t => Encoded(ChatTemplate.Kotonoha, t))];

    private static (double Loss, float[] Gradients) Run(Gpt2 model, CpuBackend backend, ChatExample[][] micros, double[] weights)
    {
        using var session = new CpuTrainingSession(model.Parameters, backend);
        var engine = new TrainingEngine(session, new TrainingOptions());
        engine.Begin(0);
        double loss = 0;
        for (int micro = 0; micro < micros.Length; micro++)
        {
            var (batch, targets) = Packed(micros[micro]);
            loss += weights[micro] * engine.Accumulate(micro, TokenLoss.Of(model, batch, targets), weights[micro]);
        }

        return (loss, [.. model.Parameters.SelectMany(p => session.Gradients[p].ToArray())]);
    }

    private static float[] Losses(Gpt2 model, CpuBackend backend, params ChatExample[] examples)
    {
        using var pass = new CpuInferencePass(backend);
        var (batch, targets) = Packed(examples);
        pass.Begin();
        return pass.Read(pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch)), targets,
            new CrossEntropyOptions { Reduction = Reduction.None })).ToArray();
    }

    private static (Batch Batch, int[] Targets) Packed(ChatExample[] examples)
    {
        var batch = new Batch();
        var targets = new int[examples.Sum(e => e.Ids.Length - 1)];
        foreach (var example in examples)
            example.AppendTo(batch, targets);
        return (batch, targets);
    }

    private sealed class Recorder(List<TrainingProgress> values, Action<TrainingProgress>? then = null) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            values.Add(value);
            then?.Invoke(value);
        }
    }
}
