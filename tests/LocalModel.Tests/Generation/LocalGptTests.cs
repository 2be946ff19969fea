using System.Collections;
using System.Text;
using Kotonoha.ChatTemplates;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Generation;

public sealed class LocalGptTests : IDisposable
{
    private const string Japanese = "言の葉🌸は、コトノハ。";

    // Says the same letter, one token each, up to the end of the context.
    private static readonly GenerationRequest Endless = GenerationRequest.FromPrompt("the") with
    {
        IgnoreEndTokens = true,
        Sampling = SamplingOptions.Greedy with { LogitBias = new Dictionary<int, float> { [TinyGpt.Tokenizer.Encode("x")[0]] = 1000 } },
    };

    private readonly LocalGpt _model = TinyGpt.Create();

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task Streamed_pieces_joined_are_the_text_of_the_whole()
    {
        var request =
            GenerationRequest.FromPrompt("the quick") with
            {
                MaxOutputTokens = 40,
                IgnoreEndTokens = true,
                Sampling = new SamplingOptions { Seed = 5 }
            };
        var pieces = await Stream(_model, request);
        var whole = await _model.CompleteAsync(request);

        Assert.True(pieces.Count > 5);
        Assert.Equal(whole.Text, string.Concat(pieces.Select(p => p.Text)));
        Assert.Equal(whole.TokenIds, pieces.SelectMany(p => p.TokenIds));
        Assert.Equal(40, whole.TokenIds.Count);
        Assert.Equal(_model.Tokenizer.Decode([.. whole.TokenIds], skipSpecialTokens: true), whole.Text);
        Assert.Equal(FinishReason.Length, whole.FinishReason);
        Assert.All(pieces.SkipLast(1), p => Assert.Null(p.FinishReason));
        Assert.Equal(_model.CountTokens("the quick"), whole.Usage.InputTokens);
        Assert.Equal(40, whole.Usage.OutputTokens);
        Assert.Equal(5, whole.Usage.Seed);
    }

    [Fact]
    public async Task Greedy_decoding_takes_the_best_token_of_a_whole_forward_each_time()
    {
        const int Context = 700;
        using var weights = TinyGpt.Model(contextLength: Context);
        using var served = TinyGpt.Create(contextLength: Context);
        var prompt = string.Concat(Enumerable.Repeat("the lazy dog 言 ", 40));
        var result = await served.CompleteAsync(GenerationRequest.FromPrompt(prompt) with { MaxOutputTokens = 8, IgnoreEndTokens = true });
        int[] ids = TinyGpt.Tokenizer.Encode(prompt);
        Assert.True(ids.Length > 2 * 256, "the prompt should take several chunks");

        using var backend = new CpuBackend(1);
        using var pass = new CpuInferencePass(backend);
        foreach (int token in result.TokenIds)
        {
            pass.Begin();
            var hidden = weights.Forward(pass, Batch.Packed(ids));
            var logits = pass.Read(weights.Logits(pass, pass.SelectRows(hidden, [ids.Length - 1])));
            Assert.Equal(TokenSampler.Best(logits), token);
            ids = [.. ids, token];
        }
    }

    [Fact]
    public async Task Concurrent_requests_give_the_same_bits_as_alone()
    {
        var requests = Enumerable.Range(0, 8)
            .Select(i => GenerationRequest.FromPrompt(string.Concat(Enumerable.Repeat("brown fox ", i + 1))) with
            {
                MaxOutputTokens = 20 + i,
                IgnoreEndTokens = true,
                IncludeLogProbabilities = true,
                Sampling = i % 3 == 0 ? SamplingOptions.Greedy : new SamplingOptions { Seed = i, TopK = 50, TopP = 0.95f },
            }).ToArray();
        var alone = new List<GenerationResult>();
        foreach (var request in requests)
            alone.Add(await _model.CompleteAsync(request));
        var vector = (await _model.EmbedAsync(["over the lazy dog"])).Vectors[0];

        var together = requests.Select(r => _model.CompleteAsync(r)).ToArray();
        var embedding = _model.EmbedAsync(["over the lazy dog", "the"]);
        var results = await Task.WhenAll(together);

        for (int i = 0; i < results.Length; i++)
        {
            Assert.Equal(alone[i].TokenIds, results[i].TokenIds);
            Assert.Equal(alone[i].LogProbabilities, results[i].LogProbabilities);
            Assert.Equal(alone[i].Text, results[i].Text);
        }

        Assert.Equal(vector, (await embedding).Vectors[0]);
    }

    [Fact]
    public async Task An_end_token_ends_the_text_and_counts_as_output()
    {
        var result = await _model.CompleteAsync(GenerationRequest.FromPrompt("dog") with { Sampling = TinyGpt.Saying("the fox") });
        Assert.Equal("the fox", result.Text);
        Assert.Equal(FinishReason.EndToken, result.FinishReason);
        Assert.Equal(TinyGpt.Tokenizer.Encode("the fox").Length + 1, result.Usage.OutputTokens);
        Assert.Equal(TinyGpt.Tokenizer.TokenToId("<|end|>"), result.TokenIds[^1]);
        Assert.Null(result.Usage.Seed);
    }

    [Fact]
    public async Task Streaming_never_splits_a_character()
    {
        var pieces = await Stream(_model, GenerationRequest.FromPrompt("dog") with { Sampling = TinyGpt.Saying(Japanese) });
        Assert.Equal(Japanese, string.Concat(pieces.Select(p => p.Text)));
        Assert.True(pieces.SelectMany(p => p.TokenIds).Count() > Japanese.EnumerateRunes().Count() + 1,
            "characters should take several tokens");
        foreach (var piece in pieces)
            Assert.Equal(piece.Text, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(piece.Text)));
    }

    [Fact]
    public async Task A_character_cut_off_by_the_limit_becomes_a_replacement_character()
    {
        int tokens = TinyGpt.Tokenizer.Encode("a言").Length;
        var result =
            await _model.CompleteAsync(
                GenerationRequest.FromPrompt("dog") with { Sampling = TinyGpt.Saying("a言"), MaxOutputTokens = tokens - 1 });
        Assert.Equal("a\uFFFD", result.Text);
        Assert.Equal(FinishReason.Length, result.FinishReason);
    }

    [Theory]
    [InlineData("葉🌸", "言の")]
    [InlineData("🌸は", "言の葉")]
    [InlineData("。", "言の葉🌸は、コトノハ")]
    [InlineData("言", "")]
    public async Task Stop_strings_are_found_across_token_borders_and_left_out(string stop, string expected)
    {
        var pieces =
            await Stream(_model,
                GenerationRequest.FromPrompt("dog") with { Sampling = TinyGpt.Saying(Japanese), StopStrings = ["nowhere", stop] });
        Assert.Equal(expected, string.Concat(pieces.Select(p => p.Text)));
        Assert.Equal(FinishReason.StopString, pieces[^1].FinishReason);
    }

    [Fact]
    public async Task A_stop_string_that_does_not_come_to_pass_is_given_out_in_the_end()
    {
        var result =
            await _model.CompleteAsync(
                GenerationRequest.FromPrompt("dog") with { Sampling = TinyGpt.Saying("the fox"), StopStrings = ["fox!"] });
        Assert.Equal("the fox", result.Text);
        Assert.Equal(FinishReason.EndToken, result.FinishReason);
    }

    [Fact]
    public async Task Without_a_limit_generation_goes_on_to_the_end_of_the_context()
    {
        var result = await _model.CompleteAsync(GenerationRequest.FromPrompt("the quick") with { IgnoreEndTokens = true });
        Assert.Equal(TinyGpt.ContextLength, result.Usage.InputTokens + result.Usage.OutputTokens);
        Assert.Equal(FinishReason.Length, result.FinishReason);
    }

    [Fact]
    public async Task A_prompt_that_does_not_fit_is_refused_with_both_numbers()
    {
        var prompt = new string('x', 200);
        var error = await Assert.ThrowsAsync<ContextOverflowException>(() => _model.CompleteAsync(GenerationRequest.FromPrompt(prompt)));
        Assert.Equal((_model.CountTokens(prompt), TinyGpt.ContextLength), (error.PromptTokens, error.ContextLength));
        Assert.Contains("200", error.Message, StringComparison.Ordinal);
        Assert.Contains("96", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancellation_while_decoding_ends_the_request_and_frees_its_room()
    {
        var stepped = new SteppedModel(TinyGpt.Model());
        using var small =
            LocalGpt.Create(stepped, TinyGpt.Tokenizer, new LocalGptOptions { CacheTokens = TinyGpt.ContextLength, Threads = 1 });
        try
        {
            for (int round = 0; round < 5; round++)
            {
                using var source = new CancellationTokenSource();
                await using var running = small.GenerateAsync(Endless, source.Token).GetAsyncEnumerator();
                stepped.Permits.Release(2);
                Assert.True(await running.MoveNextAsync());
                await source.CancelAsync();
                stepped.Permits.Release();
                var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await running.MoveNextAsync());
                Assert.Equal(source.Token, error.CancellationToken);
            }
        }
        finally
        {
            stepped.Permits.Release(SteppedModel.AllSteps);
        }

        Assert.Equal(3, (await small.CompleteAsync(Endless with { MaxOutputTokens = 3 })).Usage.OutputTokens);
    }

    [Fact]
    public async Task A_reader_that_leaves_early_frees_the_room_for_the_next()
    {
        using var small = TinyGpt.Create(new LocalGptOptions { CacheTokens = TinyGpt.ContextLength });
        for (int round = 0; round < 5; round++)
            await foreach (var update in small.GenerateAsync(GenerationRequest.FromPrompt("the") with { IgnoreEndTokens = true }))
                break;
        Assert.Equal(3,
            (await small.CompleteAsync(
                GenerationRequest.FromPrompt("the") with { MaxOutputTokens = 3, IgnoreEndTokens = true })).Usage.OutputTokens);
    }

    [Fact]
    public async Task A_request_that_was_cancelled_before_it_began_does_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _model.CompleteAsync(GenerationRequest.FromPrompt("the"), cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _model.EmbedAsync(["the"], null, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _model.ScoreAsync("the", ["fox"], cancelled));
    }

    [Fact]
    public async Task A_waiting_request_is_cancelled_while_others_run_and_wait()
    {
        const int Waiting = 3;
        var stepped = new SteppedModel(TinyGpt.Model());
        using var busy =
            LocalGpt.Create(stepped, TinyGpt.Tokenizer,
                new LocalGptOptions { QueueLength = Waiting, CacheTokens = TinyGpt.ContextLength, Threads = 1 });
        using var all = new CancellationTokenSource();
        var sources = Enumerable.Range(0, Waiting + 1).Select(_ => CancellationTokenSource.CreateLinkedTokenSource(all.Token)).ToList();
        try
        {
            await using var running = busy.GenerateAsync(Endless, all.Token).GetAsyncEnumerator();
            stepped.Permits.Release();
            Assert.True(await running.MoveNextAsync());

            // The engine stands in its second step. One request too many is refused: then it is certain that the others wait in the queue.
            var requests = sources.Select(s => busy.CompleteAsync(Endless, s.Token)).ToList();
            var refused = await Task.WhenAny(requests);
            await Assert.ThrowsAsync<QueueFullException>(() => refused);
            sources.RemoveAt(requests.IndexOf(refused));
            requests.Remove(refused);

            await sources[1].CancelAsync();
            stepped.Permits.Release();
            var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => requests[1]);
            Assert.Equal(sources[1].Token, error.CancellationToken);
            Assert.False(requests[0].IsCompleted || requests[2].IsCompleted);
            Assert.True(await running.MoveNextAsync());

            await all.CancelAsync();
            stepped.Permits.Release();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => requests[0]);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => requests[2]);
        }
        finally
        {
            stepped.Permits.Release(SteppedModel.AllSteps);
            sources.ForEach(s => s.Dispose());
        }
    }

    [Fact]
    public void A_failing_OnLoaded_reaches_the_caller_and_leaves_the_weights()
    {
        using var weights = TinyGpt.Model();
        Assert.Throws<InvalidOperationException>(
            () => LocalGpt.Create(weights, TinyGpt.Tokenizer,
                new LocalGptOptions { OnLoaded = _ => throw new InvalidOperationException() }));
        using var created = LocalGpt.Create(weights, TinyGpt.Tokenizer);
        Assert.Equal(weights.ParameterCount, created.ParameterCount);
    }

    [Fact]
    public async Task A_full_queue_refuses_the_next_request()
    {
        var stepped = new SteppedModel(TinyGpt.Model());
        using var busy =
            LocalGpt.Create(stepped, TinyGpt.Tokenizer,
                new LocalGptOptions { QueueLength = 1, CacheTokens = TinyGpt.ContextLength, Threads = 1 });
        using var source = new CancellationTokenSource();
        try
        {
            await using var running = busy.GenerateAsync(Endless, source.Token).GetAsyncEnumerator();
            stepped.Permits.Release();
            Assert.True(await running.MoveNextAsync());

            // The whole cache is taken: of two more requests one waits and the other one is refused.
            Task[] more = [busy.CompleteAsync(Endless, source.Token), busy.CompleteAsync(Endless, source.Token)];
            var refused = await Task.WhenAny(more);
            var error = await Assert.ThrowsAsync<QueueFullException>(() => refused);
            Assert.Equal(1, error.QueueLength);
            await source.CancelAsync();
            stepped.Permits.Release();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => more.Single(t => t != refused));
        }
        finally
        {
            stepped.Permits.Release(SteppedModel.AllSteps);
        }
    }

    [Fact]
    public async Task Scores_are_the_log_probabilities_of_a_whole_forward_however_they_are_asked_for()
    {
        const string Prefix = "the quick brown ";
        string[] continuations =
            ["fox", "", "言の葉", "the lazy dog jumps over the fox", "x", .. Enumerable.Range(0, 60).Select(i => $"dog {i}")];
        var shared = await _model.ScoreAsync(Prefix, continuations);
        var single = new List<SequenceScore>();
        foreach (var continuation in continuations)
            single.AddRange(await _model.ScoreAsync([(Prefix, continuation)]));
        Assert.Equal(single, shared);

        using var weights = TinyGpt.Model();
        using var backend = new CpuBackend(1);
        using var pass = new CpuInferencePass(backend);
        int[] prefix = TinyGpt.Tokenizer.Encode(Prefix);
        for (int i = 0; i < continuations.Length; i++)
        {
            int[] continuation = TinyGpt.Tokenizer.Encode(continuations[i]);
            Assert.Equal(continuation.Length, shared[i].TokenCount);
            pass.Begin();
            var logits = pass.Read(weights.Logits(pass, weights.Forward(pass, Batch.Packed([.. prefix, .. continuation]))));
            double expected = 0;
            for (int t = 0; t < continuation.Length; t++)
            {
                var row = logits.Slice((prefix.Length + t - 1) * _model.VocabularySize, _model.VocabularySize);
                double sum = 0;
                foreach (float x in row)
                    sum += Math.Exp(x);
                expected += row[continuation[t]] - Math.Log(sum);
            }

            Assert.Equal(expected, shared[i].LogProbability, 1e-3);
        }
    }

    [Fact]
    public async Task Scores_of_many_prefixes_come_in_the_order_of_the_pairs()
    {
        (string, string)[] pairs =
            [("the fox", "dog"), ("the dog", "dog"), ("the fox", "cat"), ("", "dog"),
                ("the dog", string.Concat(Enumerable.Repeat("lazy ", 12)))];
        var together = await _model.ScoreAsync(pairs);
        for (int i = 0; i < pairs.Length; i++)
            Assert.Equal((await _model.ScoreAsync([pairs[i]]))[0], together[i]);
        await Assert.ThrowsAsync<ContextOverflowException>(() => _model.ScoreAsync("the", [new string('x', 200)]));
    }

    [Fact]
    public async Task Long_continuations_are_scored_over_several_steps()
    {
        const int Context = 1000;
        using var served = TinyGpt.Create(contextLength: Context);
        var text = string.Concat(Enumerable.Repeat("over the lazy dog 言 ", 25));
        int[] ids = TinyGpt.Tokenizer.Encode(text);
        Assert.True(ids.Length is > 300 and < Context - 10);
        var scores = await served.ScoreAsync("the", [text, text + "!", "fox"]);
        var generated = await served.ScoreAsync([("the", text)]);
        Assert.Equal(generated[0], scores[0]);
        Assert.True(scores[1].LogProbability < scores[0].LogProbability);
        Assert.Equal(ids.Length, scores[0].TokenCount);
    }

    [Fact]
    public async Task Embeddings_are_pooled_hidden_states_of_length_one_and_the_same_alone_and_in_a_batch()
    {
        const int Context = 700;
        using var weights = TinyGpt.Model(contextLength: Context);
        using var served = TinyGpt.Create(contextLength: Context);
        string[] texts = ["the quick brown fox", "言の葉", string.Concat(Enumerable.Repeat("the lazy dog ", 60)), "x"];
        using var backend = new CpuBackend(1);
        using var pass = new CpuInferencePass(backend);
        foreach (var pooling in (Pooling[])[Pooling.Mean, Pooling.First, Pooling.Last, Pooling.Max])
        {
            var options = new EmbeddingRequestOptions { Pooling = pooling };
            var together = await served.EmbedAsync(texts, options);
            Assert.Equal(texts.Sum(t => served.CountTokens(t)), together.InputTokens);
            for (int i = 0; i < texts.Length; i++)
            {
                Assert.Equal((await served.EmbedAsync([texts[i]], options)).Vectors[0], together.Vectors[i]);
                Assert.Equal(1, together.Vectors[i].Sum(x => (double)x * x), 1e-5);

                pass.Begin();
                var batch = Batch.Packed(TinyGpt.Tokenizer.Encode(texts[i]));
                var expected = pass.Read(pass.L2Normalize(pass.Pool(weights.Forward(pass, batch), batch, pooling))).ToArray();
                for (int c = 0; c < expected.Length; c++)
                    Assert.Equal(expected[c], together.Vectors[i][c], 1e-4f);
            }
        }
    }

    [Fact]
    public async Task Dimensions_keep_the_leading_components_at_length_one()
    {
        var raw = (await _model.EmbedAsync(["the fox"], new EmbeddingRequestOptions { Normalize = false })).Vectors[0];
        var cut = (await _model.EmbedAsync(["the fox"], new EmbeddingRequestOptions { Dimensions = 8 })).Vectors[0];
        double length = Math.Sqrt(raw.Take(8).Sum(x => (double)x * x));
        Assert.Equal(8, cut.Length);
        for (int c = 0; c < 8; c++)
            Assert.Equal(raw[c] / length, cut[c], 1e-6);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => _model.EmbedAsync(["the"], new EmbeddingRequestOptions { Dimensions = 33 }));
    }

    [Fact]
    public async Task A_text_longer_than_the_context_is_refused_unless_it_may_be_cut()
    {
        var text = new string('x', 300);
        var error = await Assert.ThrowsAsync<ContextOverflowException>(() => _model.EmbedAsync(["the", text]));
        Assert.Equal(300, error.PromptTokens);
        var cut = await _model.EmbedAsync([text], new EmbeddingRequestOptions { TruncateLongTexts = true });
        Assert.Equal(TinyGpt.ContextLength, cut.InputTokens);
    }

    [Fact]
    public async Task Beam_search_beside_other_requests_finds_the_same_as_alone()
    {
        var request = GenerationRequest.FromPrompt("the brown") with { MaxOutputTokens = 12 };
        var options = new BeamSearchOptions { BeamCount = 4, ReturnCount = 4 };
        var alone = await _model.BeamSearchAsync(request, options);
        var others = Enumerable.Range(0, 4)
            .Select(i => _model.CompleteAsync(GenerationRequest.FromPrompt("lazy") with { Sampling = new SamplingOptions { Seed = i } }))
            .ToArray();
        var beside = await _model.BeamSearchAsync(request, options);
        await Task.WhenAll(others);

        Assert.Equal(4, alone.Hypotheses.Count);
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(alone.Hypotheses[i].TokenIds, beside.Hypotheses[i].TokenIds);
            Assert.Equal(alone.Hypotheses[i].Score, beside.Hypotheses[i].Score);
        }

        // The score is what scoring the same tokens says.
        var best = alone.Hypotheses[0];
        var greedy = await _model.CompleteAsync(request with { IncludeLogProbabilities = true });
        Assert.True(best.Score >= greedy.LogProbabilities.Sum(p => (double)p) / greedy.TokenIds.Count - 1e-4);
        await Assert.ThrowsAsync<ArgumentException>(
            () => _model.BeamSearchAsync(request with { Sampling = new SamplingOptions() }, options));
        await Assert.ThrowsAsync<ArgumentException>(() => _model.BeamSearchAsync(request with { StopStrings = ["x"] }, options));
        await Assert.ThrowsAsync<ArgumentException>(() => _model.BeamSearchAsync(request with { IncludeLogProbabilities = true }, options));
        await Assert.ThrowsAsync<KvCacheFullException>(
            () => _model.BeamSearchAsync(request with { MaxOutputTokens = 90 }, options with { BeamCount = 64 }));
        await Assert.ThrowsAsync<KvCacheFullException>(() => _model.BeamSearchAsync(request, options with { BeamCount = int.MaxValue }));
    }

    [Fact]
    public async Task Beam_search_without_a_possible_continuation_is_an_error()
    {
        var request =
            GenerationRequest.FromPrompt(
                "the") with
            { Sampling = SamplingOptions.Greedy with { SuppressTokens = [.. Enumerable.Range(0, _model.VocabularySize)] } };
        await Assert.ThrowsAsync<SamplingException>(() => _model.BeamSearchAsync(request, new BeamSearchOptions { BeamCount = 2 }));
    }

    [Fact]
    public async Task Beam_search_takes_the_penalties_of_the_default_sampling_and_refuses_stop_strings_of_the_template()
    {
        int letter = TinyGpt.Tokenizer.Encode("x")[0];
        var sampling = new SamplingOptions { Temperature = 0.7f, LogitBias = new Dictionary<int, float> { [letter] = 1000 } };
        using var biased = TinyGpt.Create(new LocalGptOptions { DefaultSampling = sampling, ChatTemplate = ChatTemplate.Plain });
        var options = new BeamSearchOptions { BeamCount = 2 };
        var found = await biased.BeamSearchAsync(GenerationRequest.FromPrompt("the") with { MaxOutputTokens = 4 }, options);
        Assert.Equal([letter, letter, letter, letter], found.Hypotheses[0].TokenIds);
        await Assert.ThrowsAsync<ArgumentException>(
            () => biased.BeamSearchAsync(GenerationRequest.FromTurns(new ChatTurn(ChatTurn.User, "Who?")), options));
    }

    [Fact]
    public async Task Damaged_weights_are_an_error_of_scores_and_embeddings_too()
    {
        var weights = TinyGpt.Model();
        weights.Parameters[0].Values.Fill(float.NaN);
        using var damaged = LocalGpt.Create(weights, TinyGpt.Tokenizer, new LocalGptOptions { Threads = 1 });
        await Assert.ThrowsAsync<SamplingException>(() => damaged.ScoreAsync("the", ["fox jumps"]));
        await Assert.ThrowsAsync<SamplingException>(() => damaged.EmbedAsync(["the fox"]));
        await Assert.ThrowsAsync<SamplingException>(() => damaged.CompleteAsync(GenerationRequest.FromPrompt("the")));
    }

    [Fact]
    public async Task Cancellation_does_not_wait_for_a_text_to_be_encoded()
    {
        var ids = new GatedTokens([1, 2, 3]);
        using var source = new CancellationTokenSource();
        var request = new GenerationRequest { TokenIds = ids };
        try
        {
            var running = _model.CompleteAsync(request, source.Token);
            await ids.Entered;
            await source.CancelAsync();
            var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
            Assert.Equal(source.Token, error.CancellationToken);
        }
        finally
        {
            ids.Open();
        }
    }

    [Fact]
    public async Task Settings_of_the_checkpoint_that_cannot_be_honoured_are_remarked_on()
    {
        using var folder = new TemporaryFolder();
        int end = TinyGpt.Tokenizer.TokenToId("<|endoftext|>")!.Value;
        using (var weights = TinyGpt.Model())
            weights.Save(folder.Path, CheckpointParts.Of(TinyGpt.Tokenizer));
        var file = Path.Combine(CheckpointFolder.Resolve(folder.Path), GenerationSettings.FileName);
        File.WriteAllText(file, $$"""{ "bos_token_id": 70001, "eos_token_id": [{{end}}, 70002], "typical_p": 0.9, "num_beams": 4, "suppress_tokens": null, "transformers_version": "5.0.0", "use_cache": true }""");
        using var loaded = LocalGpt.Load(folder.Path, new LocalGptOptions { Threads = 1 });

        Assert.Equal(3, loaded.Remarks.Count);
        Assert.Contains("typical_p", loaded.Remarks[0], StringComparison.Ordinal);
        Assert.Contains("num_beams", loaded.Remarks[1], StringComparison.Ordinal);
        Assert.Contains("70001, 70002 lie outside the vocabulary", loaded.Remarks[2], StringComparison.Ordinal);
        Assert.DoesNotContain(70002, loaded.EndTokens);
        var request =
            new GenerationRequest { Prompt = "", MaxOutputTokens = 4, Sampling = SamplingOptions.Greedy with { MinNewTokens = 4 } };
        Assert.Equal(4, (await loaded.CompleteAsync(request)).TokenIds.Count);
    }

    [Fact]
    public async Task Dispose_ends_running_and_waiting_requests_and_later_calls_are_refused()
    {
        const int Context = 4000;
        var doomed = TinyGpt.Create(new LocalGptOptions { CacheTokens = Context }, contextLength: Context);
        var endless = GenerationRequest.FromPrompt("the") with { IgnoreEndTokens = true };
        await using var running = doomed.GenerateAsync(endless).GetAsyncEnumerator();
        Assert.True(await running.MoveNextAsync());
        var waiting = doomed.CompleteAsync(endless);
        doomed.Dispose();
        doomed.Dispose();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            while (await running.MoveNextAsync())
            {
            }
        });

        // It waited in the queue, or was still being encoded.
        var error = await Assert.ThrowsAnyAsync<Exception>(() => waiting);
        Assert.True(error is OperationCanceledException or ObjectDisposedException, error.ToString());
        Assert.Throws<ObjectDisposedException>(() => doomed.GenerateAsync(endless));
        Assert.Throws<ObjectDisposedException>(() => doomed.CountTokens("x"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => doomed.EmbedAsync(["x"]));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => doomed.ScoreAsync("x", ["y"]));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => doomed.BeamSearchAsync(endless, new BeamSearchOptions()));
    }

    public static TheoryData<GenerationRequest> BadRequests => new()
    {
        new GenerationRequest(),
        new GenerationRequest { Prompt = "a", TokenIds = [1] },
        new GenerationRequest { Turns = [] },
        new GenerationRequest { TokenIds = [100_000] },
        new GenerationRequest { Prompt = "a", MaxOutputTokens = 0 },
        new GenerationRequest { Prompt = "a", StopStrings = [""] },
        new GenerationRequest { Prompt = "a", Sampling = new SamplingOptions { TopP = 7 } },
    };

    [Theory]
    [MemberData(nameof(BadRequests))]
    public void Contradictory_requests_are_refused_at_once(GenerationRequest request)
        => Assert.ThrowsAny<ArgumentException>(() => _model.GenerateAsync(request));

    public static TheoryData<LocalGptOptions> BadOptions => new()
    {
        new LocalGptOptions { Threads = 0 }, new LocalGptOptions { ContextLength = TinyGpt.ContextLength + 1 },
        new LocalGptOptions { ContextLength = 1 },
        new LocalGptOptions { QueueLength = 0 }, new LocalGptOptions { CacheTokens = 10 },
        new LocalGptOptions { CacheBytes = 0 },
    };

    [Theory]
    [MemberData(nameof(BadOptions))]
    public void Options_out_of_range_are_refused(LocalGptOptions options)
    {
        using var weights = TinyGpt.Model();
        Assert.Throws<ArgumentOutOfRangeException>(() => LocalGpt.Create(weights, TinyGpt.Tokenizer, options));
    }

    [Fact]
    public void The_device_in_use_is_told()
    {
        string? told = null;
        using var created = TinyGpt.Create(new LocalGptOptions { OnLoaded = m => told = m.Description });
        Assert.Equal("cpu", created.Device.Name);
        Assert.Contains("CPU", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_saved_model_is_loaded_and_says_the_same()
    {
        using var folder = new TemporaryFolder();
        Save(folder.Path, ChatTemplate.Kotonoha.Jinja);
        var request =
            GenerationRequest.FromTurns(new ChatTurn(ChatTurn.User, "Who jumps?")) with
            {
                MaxOutputTokens = 16,
                Sampling = SamplingOptions.Greedy
            };
        using var loaded = await LocalGpt.LoadAsync(folder.Path, new LocalGptOptions { Threads = 1 });

        Assert.Equal(Path.GetFileName(folder.Path), loaded.ModelId);
        Assert.Same(ChatTemplate.Kotonoha, loaded.ChatTemplate);
        Assert.Equal((await _model.CompleteAsync(request)).TokenIds, (await loaded.CompleteAsync(request)).TokenIds);
        Assert.Equal(0.7f, loaded.DefaultSampling.Temperature);
        Assert.Equal(9, loaded.DefaultSampling.TopK);
        Assert.Contains("MaxOutputTokens", Assert.Single(loaded.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chat_template_that_is_broken_is_refused_when_it_is_needed()
    {
        using var folder = new TemporaryFolder();
        Save(folder.Path, "{{ bos_token }}{% for %}");
        var chat = GenerationRequest.FromTurns(new ChatTurn(ChatTurn.User, "Who?")) with { MaxOutputTokens = 2 };
        using (var loaded = LocalGpt.Load(folder.Path, new LocalGptOptions { Threads = 1 }))
        {
            Assert.NotEmpty((await loaded.CompleteAsync(GenerationRequest.FromPrompt("the") with { MaxOutputTokens = 2 })).TokenIds);
            await Assert.ThrowsAsync<ChatTemplateException>(() => loaded.CompleteAsync(chat));
        }

        using var chosen = LocalGpt.Load(folder.Path, new LocalGptOptions { Threads = 1, ChatTemplate = ChatTemplate.Plain });
        Assert.NotEmpty((await chosen.CompleteAsync(chat)).TokenIds);
    }

    [Fact]
    public async Task Without_a_template_role_lines_are_used_and_the_next_role_ends_the_answer()
    {
        using var plain = TinyGpt.Create(new LocalGptOptions { ChatTemplate = ChatTemplate.Plain });
        var request =
            GenerationRequest.FromTurns(new ChatTurn(ChatTurn.User, "Who?")) with { Sampling = TinyGpt.Saying(" the fox\nUser: and") };
        var pieces = await Stream(plain, request);
        Assert.Equal("the fox", string.Concat(pieces.Select(p => p.Text)));
        Assert.Equal(FinishReason.StopString, pieces[^1].FinishReason);
    }

    [Fact]
    public void A_folder_without_a_tokenizer_is_a_clear_error()
    {
        using var folder = new TemporaryFolder();
        using (var weights = TinyGpt.Model())
            weights.Save(folder.Path);
        Assert.Throws<TokenizerException>(() => LocalGpt.Load(folder.Path));
        Assert.Throws<CheckpointException>(() => LocalGpt.Load(Path.Combine(folder.Path, "nowhere")));
    }

    /// <summary>
    /// Token ids that are given out at once for the first time (the checks), and from the second time on (the encoding) when the gate is
    /// open.
    /// </summary>
    private sealed class GatedTokens(int[] ids) : IReadOnlyList<int>
    {
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _gate = new();
        private int _readings;

        public Task Entered => _entered.Task;

        public int Count => ids.Length;

        public int this[int index] => ids[index];

        public void Open() => _gate.Set();

        public IEnumerator<int> GetEnumerator()
        {
            if (Interlocked.Increment(ref _readings) > 1)
            {
                _entered.TrySetResult();
                _gate.Wait();
            }

            return ids.AsEnumerable().GetEnumerator();
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private static void Save(string folder, string template)
    {
        using var weights = TinyGpt.Model();
        using var json = new MemoryStream();
        TinyGpt.Tokenizer.Write(json);
        int end = TinyGpt.Tokenizer.TokenToId("<|endoftext|>")!.Value;
        weights.Save(folder, new CheckpointParts
        {
            TokenizerJson = Encoding.UTF8.GetString(json.ToArray()),
            TokenizerSettings = new TokenizerSettings { ChatTemplate = template, EosToken = "<|endoftext|>" },
            GenerationSettings =
                new GenerationSettings
                {
                    BosTokenId = end,
                    EosTokenIds = [end],
                    DoSample = template == ChatTemplate.Kotonoha.Jinja,
                    Temperature = 0.7,
                    TopK = 9,
                    MaxNewTokens = 5
                },
        });
    }

    private static async Task<List<GenerationUpdate>> Stream(LocalGpt model, GenerationRequest request)
    {
        var pieces = new List<GenerationUpdate>();
        await foreach (var update in model.GenerateAsync(request))
            pieces.Add(update);
        return pieces;
    }
}
