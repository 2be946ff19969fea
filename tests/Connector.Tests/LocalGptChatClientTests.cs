using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests;

public sealed class LocalGptChatClientTests : IDisposable
{
    private static readonly ChatMessage[] Hello = [new(ChatRole.User, "Who jumps?")];

    private readonly LocalGpt _model = TinyGpt.Create(new LocalGptOptions { ModelId = "tiny" });
    private readonly IChatClient _client;

    public LocalGptChatClientTests() => _client = _model.AsChatClient();

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task Streaming_and_whole_responses_agree()
    {
        var options = new ChatOptions { Seed = 11, MaxOutputTokens = 24 };
        var updates = await _client.GetStreamingResponseAsync(Hello, options).ToListAsync();
        var response = await _client.GetResponseAsync(Hello, options);

        Assert.True(updates.Count > 3);
        Assert.Equal(response.Text, string.Concat(updates.Select(u => u.Text)));
        Assert.Equal(response.Text, updates.ToChatResponse().Text);
        var message = Assert.Single(response.Messages);
        Assert.Equal(ChatRole.Assistant, message.Role);
        Assert.IsType<TextContent>(Assert.Single(message.Contents));
    }

    [Fact]
    public async Task Every_update_carries_ids_role_model_and_time_and_the_last_one_usage_and_finish_reason()
    {
        var updates = await _client.GetStreamingResponseAsync(Hello, Saying("the fox")).ToListAsync();
        Assert.Equal("the fox", string.Concat(updates.Select(u => u.Text)));
        Assert.All(updates, u =>
        {
            Assert.Equal(ChatRole.Assistant, u.Role);
            Assert.Equal("tiny", u.ModelId);
            Assert.Equal(updates[0].ResponseId, u.ResponseId);
            Assert.Equal(updates[0].MessageId, u.MessageId);
            Assert.NotNull(u.CreatedAt);
            Assert.Null(u.ConversationId);
        });
        Assert.False(string.IsNullOrEmpty(updates[0].ResponseId) || string.IsNullOrEmpty(updates[0].MessageId));
        Assert.All(updates.SkipLast(1), u => Assert.Null(u.FinishReason));
        Assert.Equal(ChatFinishReason.Stop, updates[^1].FinishReason);
        Assert.IsType<UsageContent>(updates[^1].Contents[^1]);
        Assert.NotEqual(updates[0].ResponseId, (await _client.GetResponseAsync(Hello, Saying("x"))).ResponseId);
    }

    [Fact]
    public async Task Usage_tells_how_much_of_the_next_turn_was_known()
    {
        var first = await _client.GetResponseAsync(Hello, Saying("the fox"));
        var second = await _client.GetResponseAsync([.. Hello, .. first.Messages, new(ChatRole.User, "And then?")], Saying("the dog"));
        Assert.Equal(0, first.Usage!.CachedInputTokenCount);

        // All but the end token, which was chosen and never run.
        Assert.Equal(first.Usage.TotalTokenCount - 1, second.Usage!.CachedInputTokenCount);
    }

    [Fact]
    public async Task Usage_counts_the_rendered_prompt_and_the_generated_tokens()
    {
        var response = await _client.GetResponseAsync(Hello, Saying("the fox"));
        var usage = response.Usage!;

        // <|user|> … <|end|> <|assistant|>, and the end token of the answer.
        Assert.Equal(TinyGpt.Tokenizer.CountTokens("Who jumps?") + 3, usage.InputTokenCount);
        Assert.Equal(TinyGpt.Tokenizer.CountTokens("the fox") + 1, usage.OutputTokenCount);
        Assert.Equal(usage.InputTokenCount + usage.OutputTokenCount, usage.TotalTokenCount);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal("tiny", response.ModelId);
        Assert.IsType<TimeSpan>(response.AdditionalProperties!["prefill_duration"]);
        Assert.IsType<TimeSpan>(response.AdditionalProperties["queue_duration"]);
        Assert.Equal(ChatFinishReason.Length,
            (await _client.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 2 })).FinishReason);
    }

    [Fact]
    public async Task Instructions_come_before_everything_and_join_a_system_message()
    {
        var separate =
            await _client.GetResponseAsync([new(ChatRole.System, "Be brief.\n\nBe kind."), .. Hello],
                new ChatOptions { MaxOutputTokens = 12 });
        var joined =
            await _client.GetResponseAsync([new(ChatRole.System, "Be kind."), .. Hello],
                new ChatOptions { MaxOutputTokens = 12, Instructions = "Be brief." });
        var alone = await _client.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 12, Instructions = "Be brief.\n\nBe kind." });
        Assert.Equal(separate.Text, joined.Text);
        Assert.Equal(separate.Usage!.InputTokenCount, joined.Usage!.InputTokenCount);
        Assert.Equal(separate.Usage.InputTokenCount, alone.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task Options_reach_the_model()
    {
        // The same request, made once through the options and once to the model itself.
        var options = new ChatOptions
        {
            Temperature = 0.7f,
            TopP = 0.9f,
            TopK = 30,
            Seed = 42,
            FrequencyPenalty = 0.3f,
            PresencePenalty = 0.2f,
            MaxOutputTokens = 30,
            StopSequences = ["qq"],
            AdditionalProperties =
                new()
                {
                    ["min_p"] = 0.01,
                    ["typical_p"] = "0.95",
                    ["repetition_penalty"] = 1.2f,
                    ["no_repeat_ngram_size"] = JsonSerializer.SerializeToElement(3),
                    ["min_new_tokens"] = 5
                },
        };
        var sampling = new SamplingOptions
        {
            Temperature = 0.7f,
            TopP = 0.9f,
            TopK = 30,
            Seed = 42,
            FrequencyPenalty = 0.3f,
            PresencePenalty = 0.2f,
            MinP = 0.01f,
            TypicalP = 0.95f,
            RepetitionPenalty = 1.2f,
            NoRepeatNgramSize = 3,
            MinNewTokens = 5,
        };
        var direct =
            await _model.CompleteAsync(
                new GenerationRequest
                {
                    Turns = [new ChatTurn("user", "Who jumps?")],
                    MaxOutputTokens = 30,
                    StopStrings = ["qq"],
                    Sampling = sampling
                });
        var response = await _client.GetResponseAsync(Hello, options);
        Assert.Equal(direct.Text, response.Text);
        Assert.Equal(direct.TokenIds.Count, response.Usage!.OutputTokenCount);
        Assert.Equal(42L, response.AdditionalProperties!["seed"]);
    }

    [Fact]
    public async Task Each_sampling_option_alone_turns_drawing_on_and_temperature_zero_turns_it_off()
    {
        var greedy = (await _client.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 20 })).Text;
        foreach (var options
            in (ChatOptions[])[new() { Temperature = 1 }, new() { TopP = 0.99f }, new() { TopK = 200 }, new() { Seed = 3 }])
        {
            options.MaxOutputTokens = 20;
            Assert.True((await _client.GetResponseAsync(Hello, options)).AdditionalProperties!.ContainsKey("seed"));
        }

        var cold = await _client.GetResponseAsync(Hello, new ChatOptions { Temperature = 0, TopP = 0.5f, Seed = 9, MaxOutputTokens = 20 });
        Assert.Equal(greedy, cold.Text);
        Assert.False(cold.AdditionalProperties!.ContainsKey("seed"));
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text_also_beside_other_requests()
    {
        var options = new ChatOptions { Seed = 77, MaxOutputTokens = 25 };
        var alone = (await _client.GetResponseAsync(Hello, options)).Text;
        var together =
            await Task.WhenAll(Enumerable.Range(0, 8)
                .Select(i => _client.GetResponseAsync(Hello, i % 2 == 0 ? options : new ChatOptions { Seed = i, MaxOutputTokens = 30 })));
        for (int i = 0; i < together.Length; i += 2)
            Assert.Equal(alone, together[i].Text);
    }

    [Fact]
    public async Task Stop_sequences_are_trimmed_and_end_with_stop()
    {
        var options = Saying("the fox jumps");
        options.StopSequences = [" jum"];
        var response = await _client.GetResponseAsync(Hello, options);
        Assert.Equal("the fox", response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
    }

    [Fact]
    public async Task Beams_and_log_probabilities_are_asked_for_by_additional_properties()
    {
        var beams =
            await _client.GetResponseAsync(Hello,
                new ChatOptions { MaxOutputTokens = 8, AdditionalProperties = new() { ["num_beams"] = 3, ["early_stopping"] = "never" } });
        Assert.Equal(8 * 3, beams.Usage!.OutputTokenCount);
        var logged =
            await _client.GetResponseAsync(Hello,
                new ChatOptions { MaxOutputTokens = 8, AdditionalProperties = new() { ["logprobs"] = true } });
        var values = Assert.IsType<float[]>(logged.AdditionalProperties!["logprobs"]);
        Assert.Equal(logged.Usage!.OutputTokenCount, values.Length);
        Assert.All(values, v => Assert.True(v <= 0));
        Assert.Equal(values.Length, Assert.IsType<int[]>(logged.AdditionalProperties["token_ids"]).Length);
    }

    [Fact]
    public async Task A_beam_search_in_which_every_token_is_banned_is_a_typed_error()
    {
        var options =
            new ChatOptions
            {
                AdditionalProperties =
                new() { ["num_beams"] = 2, ["suppress_tokens"] = Enumerable.Range(0, _model.VocabularySize).ToArray() }
            };
        await Assert.ThrowsAsync<SamplingException>(() => _client.GetResponseAsync(Hello, options));
    }

    public static TheoryData<string, ChatOptions> NotSupported => new()
    {
        { "web", new ChatOptions { Tools = [new HostedWebSearchTool()] } },
        { "ConversationId", new ChatOptions { ConversationId = "1" } },
        { "'n'", new ChatOptions { AdditionalProperties = new() { ["n"] = 2 } } },
    };

    [Theory]
    [MemberData(nameof(NotSupported))]
    public async Task What_is_not_supported_is_refused(string named, ChatOptions options)
    {
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync(Hello, options));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NotSupportedException>(async () => await _client.GetStreamingResponseAsync(Hello, options).ToListAsync());
    }

    [Fact]
    public async Task Options_that_ask_for_nothing_special_are_accepted()
    {
        var options = new ChatOptions
        {
            MaxOutputTokens = 2,
            Tools = [],
            ToolMode = ChatToolMode.None,
            ResponseFormat = ChatResponseFormat.Text,
            ModelId = "tiny",
            Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None },
            StopSequences = [],
            AllowMultipleToolCalls = false,
            AdditionalProperties = new() { ["user"] = null, ["min_p"] = null },
#pragma warning disable MEAI001 // Still marked as experimental there.
            AllowBackgroundResponses = true,
#pragma warning restore MEAI001
        };
        Assert.Equal(2, (await _client.GetResponseAsync(Hello, options)).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task A_request_without_a_limit_ends_after_the_default_number_of_tokens()
    {
        using var model = TinyGpt.Create(new LocalGptOptions { DefaultMaxOutputTokens = 5, DefaultSampling = SamplingOptions.Greedy });
        var endless = new ChatOptions { RawRepresentationFactory = _ => new GenerationRequest { IgnoreEndTokens = true } };
        foreach (var options in (ChatOptions?[])[endless, null])
        {
            var response = await model.AsChatClient().GetResponseAsync(Hello, options);
            Assert.InRange(response.Usage!.OutputTokenCount!.Value, 1, 5);
        }

        var limited = await model.AsChatClient().GetResponseAsync(Hello, endless);
        Assert.Equal((5L, ChatFinishReason.Length), (limited.Usage!.OutputTokenCount!.Value, limited.FinishReason!.Value));
        Assert.Equal(1024, new LocalGptOptions().DefaultMaxOutputTokens);
        using var unlimited =
            TinyGpt.Create(new LocalGptOptions { DefaultMaxOutputTokens = null, DefaultSampling = SamplingOptions.Greedy });
        var whole = await unlimited.AsChatClient().GetResponseAsync(Hello, endless);
        Assert.Equal(TinyGpt.ContextLength, whole.Usage!.TotalTokenCount);
    }

    [Theory]
    [InlineData("max_tokens")]
    [InlineData("max_new_tokens")]
    [InlineData("num_predict")]
    [InlineData("max_output_tokens")]
    [InlineData("max_completion_tokens")]
    [InlineData("MAX_TOKENS")]
    public async Task The_other_names_of_the_limit_are_understood(string name)
    {
        var named =
            new ChatOptions
            {
                AdditionalProperties = new() { [name] = 3.0 },
                RawRepresentationFactory = _ => new GenerationRequest { IgnoreEndTokens = true }
            };
        Assert.Equal(3, (await _client.GetResponseAsync(Hello, named)).Usage!.OutputTokenCount);
        named.MaxOutputTokens = 2;
        Assert.Equal(2, (await _client.GetResponseAsync(Hello, named)).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task A_setting_that_is_not_known_is_left_out_and_logged_once()
    {
        var log = new RecordingLogger();
        using var client = new LocalGptChatClient(_model, log);
        var plain = (await client.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 8 })).Text;
        Assert.Empty(log.Warnings);
        for (int i = 0; i < 3; i++)
        {
            var options = new ChatOptions
            {
                MaxOutputTokens = 8,
                AdditionalProperties =
                    new()
                    {
                        ["top_q"] = 1,
                        ["user"] = "u",
                        ["num_ctx"] = 4096,
                        ["results_per_prompt"] = 1,
                        ["stream_options"] = new { },
                        ["parallel_tool_calls"] = true
                    },
            };
            Assert.Equal(plain, (await client.GetResponseAsync(Hello, options)).Text);
        }

        Assert.Contains("'top_q'", Assert.Single(log.Warnings), StringComparison.Ordinal);

        using var strict = TinyGpt.Create(new LocalGptOptions { Strict = true });
        var error = await Assert.ThrowsAnyAsync<ArgumentException>(
            () => strict.AsChatClient().GetResponseAsync(Hello, new ChatOptions { AdditionalProperties = new() { ["top_q"] = 1 } }));
        Assert.Contains("'top_q'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_makes_no_difference_is_left_out_and_logged_once()
    {
        var log = new RecordingLogger();
        using var client = new LocalGptChatClient(_model, log);
        var options =
            new ChatOptions { MaxOutputTokens = 2, ModelId = "gpt-9", Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } };
        await client.GetResponseAsync(Hello, options);
        await client.GetResponseAsync(Hello, options);
        Assert.Equal(2, log.Warnings.Count);
        Assert.Contains(log.Warnings, w => w.Contains("'gpt-9'", StringComparison.Ordinal));
        Assert.Contains(log.Warnings, w => w.Contains("reasoning", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Top_k_of_zero_is_off()
    {
        async Task<string> Text(int? topK)
            => (await _client.GetResponseAsync(Hello, new ChatOptions { Seed = 5, TopK = topK, MaxOutputTokens = 20 })).Text;
        Assert.Equal(await Text(null), await Text(0));
        Assert.Equal(await Text(null), await Text(-1));
        Assert.NotEqual(await Text(null), await Text(1));
    }

    [Fact]
    public async Task Developer_is_system_and_errors_and_reasoning_in_the_history_are_left_out()
    {
        async Task<long?> Tokens(params ChatMessage[] messages)
            => (await _client.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 1 })).Usage!.InputTokenCount;
        var system = await Tokens(new ChatMessage(ChatRole.System, "Be brief."), Hello[0]);
        Assert.Equal(system, await Tokens(new ChatMessage(new ChatRole("developer"), "Be brief."), Hello[0]));
        var spoken = await Tokens(Hello[0], new ChatMessage(ChatRole.Assistant, "the fox"), Hello[0]);
        Assert.Equal(spoken, await Tokens(
            Hello[0],
            new ChatMessage(ChatRole.Assistant,
                [new TextReasoningContent("hm"), new TextContent("the fox"), new ErrorContent("late"),
                    new UsageContent(new UsageDetails())]),
            Hello[0]));
    }

    [Fact]
    public async Task Wrong_values_are_refused_by_name()
    {
        var malformed =
            await Assert.ThrowsAnyAsync<ArgumentException>(
                () => _client.GetResponseAsync(Hello, new ChatOptions { AdditionalProperties = new() { ["min_p"] = "much" } }));
        Assert.Contains("'min_p'", malformed.Message, StringComparison.Ordinal);
        foreach (var options
            in (ChatOptions[])[new() { TopP = 2 }, new() { TopK = -2 }, new() { Temperature = -1 }, new() { MaxOutputTokens = 0 },
                new() { StopSequences = [""] }])
            await Assert.ThrowsAnyAsync<ArgumentException>(() => _client.GetResponseAsync(Hello, options));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => _client.GetResponseAsync([]));
        await Assert.ThrowsAsync<ArgumentNullException>("messages", () => _client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
        Assert.Throws<ArgumentNullException>("messages", () => _client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!));
    }

    [Fact]
    public async Task Settings_can_start_from_a_raw_request()
    {
        var options = Saying("the fox");
        Assert.Equal("the fox", (await _client.GetResponseAsync(Hello, options)).Text);
        await Assert.ThrowsAnyAsync<ArgumentException>(
            () => _client.GetResponseAsync(Hello, new ChatOptions { RawRepresentationFactory = _ => "text" }));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            () => _client.GetResponseAsync(Hello, new ChatOptions { RawRepresentationFactory = _ => GenerationRequest.FromPrompt("x") }));
    }

    public static TheoryData<ChatMessage> UnreadableMessages => new()
    {
        new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]),
        new ChatMessage(ChatRole.User, [new UriContent("https://example.org/a.png", "image/png")]),
        new ChatMessage(new ChatRole("narrator"), "Once"),
    };

    [Theory]
    [MemberData(nameof(UnreadableMessages))]
    public async Task Messages_that_the_model_cannot_read_are_refused(ChatMessage message)
        => await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync([.. Hello, message]));

    [Fact]
    public async Task A_conversation_goes_on_with_its_own_history()
    {
        var history = new List<ChatMessage>(Hello);
        var first = await _client.GetResponseAsync(history, Saying("the fox"));
        history.AddMessages(first);
        history.Add(new ChatMessage(ChatRole.User, "And then?"));
        var second = await _client.GetResponseAsync(history, Saying("the dog"));
        Assert.Equal("the dog", second.Text);
        Assert.Equal(
            TinyGpt.Tokenizer.CountTokens("Who jumps?") + TinyGpt.Tokenizer.CountTokens("the fox")
                + TinyGpt.Tokenizer.CountTokens("And then?") + 7, second.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task A_conversation_that_does_not_fit_is_refused_with_both_numbers()
    {
        var error =
            await Assert.ThrowsAsync<ContextOverflowException>(
                () => _client.GetResponseAsync([new ChatMessage(ChatRole.User, new string('x', 500))]));
        Assert.Equal((503, TinyGpt.ContextLength), (error.PromptTokens, error.ContextLength));
    }

    [Fact]
    public async Task Cancellation_throws_and_carries_the_token()
    {
        using var source = new CancellationTokenSource();
        var options = new ChatOptions { RawRepresentationFactory = _ => new GenerationRequest { IgnoreEndTokens = true } };
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in _client.GetStreamingResponseAsync(Hello, options, source.Token))
                await source.CancelAsync();
        });
        Assert.Equal(source.Token, error.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.GetResponseAsync(Hello, null, source.Token));
    }

    [Fact]
    public void GetService_gives_metadata_model_and_tokenizer()
    {
        var metadata = _client.GetService<ChatClientMetadata>()!;
        Assert.Equal(("kotonoha", "tiny"), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Null(metadata.ProviderUri);
        Assert.Same(_model, _client.GetService<LocalGpt>());
        Assert.Same(_model.Tokenizer, _client.GetService<Tokenizer>());
        Assert.Same(_client, _client.GetService<IChatClient>());
        Assert.Same(_client, _client.GetService<LocalGptChatClient>());
        Assert.Null(_client.GetService<string>());
        Assert.Null(_client.GetService(typeof(LocalGpt), "key"));
        Assert.Throws<ArgumentNullException>("serviceType", () => _client.GetService(null!));
    }

    [Fact]
    public async Task Disposing_a_view_leaves_the_model_and_disposing_an_owner_does_not()
    {
        _client.Dispose();
        Assert.Equal("x", (await _model.AsChatClient().GetResponseAsync(Hello, Saying("x"))).Text);

        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.Path);
        var owner = LocalGptChatClient.Load(folder.Path, new LocalGptOptions { Threads = 1 });
        owner.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => owner.GetResponseAsync(Hello));
    }

    private static ChatOptions Saying(string text)
        => new() { RawRepresentationFactory = _ => new GenerationRequest { Sampling = TinyGpt.Saying(text) } };
}
