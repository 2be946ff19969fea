using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Server.Tests;

/// <summary>What clients seldom send, byte by byte: fields, errors and their codes.</summary>
public sealed class OpenAIProtocolTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const string Ask = """{"model":"tiny","messages":[{"role":"user","content":"x"}],""";

    private static readonly object[] Hello = [new { role = "user", content = "hello" }];

    [Fact]
    public async Task Several_answers_of_one_request_are_drawn_each_with_a_seed_of_its_own()
    {
        var body = await PostAsync(
            "/v1/chat/completions", new { model = "tiny", messages = Hello, n = 3, seed = 5, temperature = 1, max_tokens = 10 });
        var texts = body.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("message").GetProperty("content")
            .GetString()).ToArray();
        Assert.Equal(3, texts.Distinct().Count());
        var second = await PostAsync(
            "/v1/chat/completions", new { model = "tiny", messages = Hello, seed = 6, temperature = 1, max_tokens = 10 });
        Assert.Equal(texts[1], second.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(30, body.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task A_stream_of_several_answers_carries_their_numbers_and_ends_with_DONE()
    {
        var events = await EventsAsync("/v1/chat/completions",
            new { model = "tiny", messages = Hello, n = 2, max_tokens = 5, stream = true, stream_options = new { include_usage = true } });
        Assert.Equal("[DONE]", events[^1]);
        var chunks = events[..^1].Select(text => JsonElement.Parse(text)).ToArray();
        Assert.Empty(chunks[^1].GetProperty("choices").EnumerateArray());
        Assert.Equal(10, chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        var finished = chunks[..^1].SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray())
            .Where(choice => choice.GetProperty("finish_reason").ValueKind == JsonValueKind.String)
            .Select(choice => choice.GetProperty("index").GetInt32()).Order();
        Assert.Equal([0, 1], finished);
    }

    [Fact]
    public async Task A_text_is_continued_as_the_engine_continues_it_and_echoed_when_asked()
    {
        using var reference = fixture.Server.Reference();
        var expected = await reference.CompleteAsync(GenerationRequest.FromPrompt("the quick ") with { MaxOutputTokens = 8 });
        var body = await PostAsync("/v1/completions",
            new { model = "tiny", prompt = new[] { "the quick ", "the slow " }, max_tokens = 8, logprobs = 2 });
        var first = body.GetProperty("choices")[0];
        Assert.Equal(expected.Text, first.GetProperty("text").GetString());
        Assert.Equal(2, body.GetProperty("choices").GetArrayLength());
        Assert.True(first.GetProperty("logprobs").GetProperty("tokens").GetArrayLength() > 0);
        Assert.InRange(first.GetProperty("logprobs").GetProperty("top_logprobs")[0].EnumerateObject().Count(), 1, 2);
        var echoed = await PostAsync("/v1/completions", new { model = "tiny", prompt = "the quick ", max_tokens = 8, echo = true });
        Assert.Equal("the quick " + expected.Text, echoed.GetProperty("choices")[0].GetProperty("text").GetString());
        var events = await EventsAsync("/v1/completions", new { model = "tiny", prompt = "the quick ", max_tokens = 8, stream = true });
        Assert.Equal(expected.Text, string.Concat(events[..^1].Select(text => JsonElement.Parse(text).GetProperty("choices")[0]
            .GetProperty("text").GetString())));
    }

    [Fact]
    public async Task As_many_prompts_as_are_taken_are_answered_also_while_others_ask()
    {
        var prompts = Enumerable.Range(0, 128).Select(i => $"the {i}. ").ToArray();
        var answers = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => PostAsync(
            "/v1/completions", new { model = "tiny", prompt = prompts, max_tokens = 3, echo = true, logprobs = 1 })));
        Assert.All(answers, answer => Assert.Equal(prompts.Length, answer.GetProperty("choices").GetArrayLength()));
    }

    [Fact]
    public async Task Prompts_of_tokens_are_continued_as_their_texts_one_or_several()
    {
        using var reference = fixture.Server.Reference();
        int[] first = reference.Tokenizer.Encode("the quick "), second = reference.Tokenizer.Encode("the slow ");
        var texts = await PostAsync("/v1/completions",
            new { model = "tiny", prompt = new[] { "the quick ", "the slow " }, max_tokens = 8, echo = true });
        var several = await PostAsync("/v1/completions",
            new { model = "tiny", prompt = new[] { first, second }, max_tokens = 8, echo = true });
        Assert.Equal(Texts(texts), Texts(several));
        Assert.Equal(
            texts.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(),
            several.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(first.Length + second.Length, several.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        var one = await PostAsync("/v1/completions", new { model = "tiny", prompt = first, max_tokens = 8, echo = true });
        Assert.Equal(Texts(texts)[..1], Texts(one));
        var list = await PostAsync("/v1/completions", new { model = "tiny", prompt = new[] { first }, max_tokens = 8, echo = true });
        Assert.Equal(Texts(one), Texts(list));

        // A control token is itself, where one that is spelt in a text stays text.
        int end = reference.Tokenizer.TokenToId("<|end|>")!.Value;
        var expected = await reference.CompleteAsync(new GenerationRequest { TokenIds = [.. first, end], MaxOutputTokens = 8 });
        var events = await EventsAsync("/v1/completions",
            new { model = "tiny", prompt = (int[])[.. first, end], max_tokens = 8, stream = true });
        Assert.Equal(expected.Text, string.Concat(events[..^1].Select(text => JsonElement.Parse(text).GetProperty("choices")[0]
            .GetProperty("text").GetString())));
    }

    [Theory]
    [InlineData("[-1]", "prompt")]
    [InlineData("[5,100000]", "prompt")]
    [InlineData("[[5],[100000]]", "prompt")]
    [InlineData("[5,99999999999]", "prompt")]
    [InlineData("[5,1.5]", "prompt")]
    [InlineData("[5,\"x\"]", "prompt")]
    [InlineData("[5,[5]]", "prompt")]
    [InlineData("[\"x\",5]", "prompt")]
    [InlineData("[[5],\"x\"]", "prompt[1]")]
    [InlineData("[[5],[]]", "prompt[1]")]
    [InlineData("[[5],[[5]]]", "prompt[1]")]
    [InlineData("[]", "prompt")]
    [InlineData("[null]", "prompt")]
    [InlineData("5", "prompt")]
    [InlineData("\"x\",\"suffix\":5", "suffix")]
    [InlineData("\"x\",\"suffix\":\"y\"", "suffix")]
    [InlineData("\"x\",\"stream\":true,\"suffix\":\"y\"", "suffix")]
    public async Task A_prompt_that_cannot_be_continued_is_refused_by_its_name(string prompt, string parameter)
    {
        using var response = await fixture.Server.Http.PostAsync("/v1/completions",
            new StringContent($$"""{"model":"tiny","prompt":{{prompt}}}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
        Assert.Equal(parameter, error.GetProperty("param").GetString());
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_suffix_is_written_up_to_where_the_model_has_the_tokens_for_it()
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.Path, contextLength: 256, tokenizer: TinyGpt.InfillTokenizer);
        await using var server = await RunningServer.StartAsync(
            options => options with { Models = new Dictionary<string, string> { ["infill"] = folder.Path } });
        using var reference = LocalGpt.Load(folder.Path, new LocalGptOptions { Threads = 1 });
        int Id(string token) => reference.Tokenizer.TokenToId(token)!.Value;
        int[] Between(string prefix, string suffix) =>
        [
            Id("<|fim_prefix|>"), .. reference.Tokenizer.Encode(prefix), Id("<|fim_suffix|>"), .. reference.Tokenizer.Encode(suffix),
            Id("<|fim_middle|>"),
        ];

        // A model that has learnt nothing ends as soon as anything else.
        var unlikely = reference.FillInTheMiddle!.EndTokens.Concat(reference.EndTokens).Distinct().ToDictionary(id => id, _ => -100f);
        var logitBias = unlikely.ToDictionary(entry => $"{entry.Key}", entry => entry.Value);
        async Task<string> ExpectedAsync(int[] tokens) => (await reference.CompleteAsync(new GenerationRequest
        {
            TokenIds = tokens,
            MaxOutputTokens = 8,
            Sampling = SamplingOptions.Greedy with { LogitBias = unlikely },
        })).Text;
        async Task<JsonElement> AskAsync(object prompt, string suffix)
        {
            using var response = await server.Http.PostAsJsonAsync(
                "/v1/completions", new { prompt, suffix, max_tokens = 8, temperature = 0, logit_bias = logitBias });
            return await response.Content.ReadFromJsonAsync<JsonElement>();
        }

        var tokens = Between("the quick ", " over the lazy dog");
        var expected = await ExpectedAsync(tokens);
        Assert.NotEmpty(expected);
        foreach (var prompt in new object[] { "the quick ", reference.Tokenizer.Encode("the quick ") })
        {
            var body = await AskAsync(prompt, " over the lazy dog");
            Assert.Equal(expected, Texts(body).Single());
            Assert.Equal(tokens.Length, body.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        }

        // Control tokens that somebody spells in a suffix are text.
        Assert.Equal(await ExpectedAsync(Between("x", "<|fim_middle|>")), Texts(await AskAsync("x", "<|fim_middle|>")).Single());

        // The text between is over where the model goes on to the next file.
        using var ended = await server.Http.PostAsJsonAsync("/v1/completions", new
        {
            prompt = "x",
            suffix = "y",
            max_tokens = 8,
            logit_bias = new Dictionary<string, int> { [$"{Id("<|file_sep|>")}"] = 100 },
        });
        var choice = (await ended.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("choices")[0];
        Assert.Equal(("", "stop"), (choice.GetProperty("text").GetString(), choice.GetProperty("finish_reason").GetString()));
    }

    [Fact]
    public async Task Vectors_come_as_numbers_and_as_base64_alike()
    {
        var numbers = await PostAsync("/v1/embeddings", new { model = "tiny", input = "fox" });
        var packed = await PostAsync("/v1/embeddings", new { model = "tiny", input = "fox", encoding_format = "base64" });
        var bytes = packed.GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64();
        Assert.Equal(numbers.GetProperty("data")[0].GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()),
            Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, 4 * i)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_echo_with_log_probabilities_scores_the_prompt_token_by_token(int maxTokens)
    {
        // The way evaluation harnesses ask how likely a continuation is: the prompt's tokens, and what was generated cut off at the end.
        using var reference = fixture.Server.Reference();
        const string Text = "the quick 言葉";
        int[] ids = reference.Tokenizer.Encode(Text);
        var scores = await reference.ScoreTokensAsync(ids, top: 1);
        foreach (object prompt in new object[] { Text, ids, new[] { ids } })
        {
            var body = await PostAsync("/v1/completions",
                new { model = "tiny", prompt, max_tokens = maxTokens, logprobs = 1, echo = true, temperature = 0, logit_bias = NoEnd() });
            var choice = body.GetProperty("choices")[0];
            var scored = choice.GetProperty("logprobs");
            var logProbabilities = scored.GetProperty("token_logprobs").EnumerateArray().ToArray();
            Assert.Equal(ids.Length + maxTokens, logProbabilities.Length);
            Assert.Equal(JsonValueKind.Null, logProbabilities[0].ValueKind);
            Assert.Equal(scores.LogProbabilities, logProbabilities[1..ids.Length].Select(value => value.GetSingle()));
            var top = scored.GetProperty("top_logprobs").EnumerateArray().ToArray();
            Assert.Equal(JsonValueKind.Null, top[0].ValueKind);
            for (int i = 1; i < ids.Length; i++)
                Assert.Equal(scores.Alternatives[i - 1][0].LogProbability, top[i].EnumerateObject().Max(entry => entry.Value.GetSingle()));
            var text = choice.GetProperty("text").GetString()!;
            Assert.StartsWith(Text, text, StringComparison.Ordinal);
            Assert.Equal(maxTokens == 0, text == Text);
            Assert.Equal("length", choice.GetProperty("finish_reason").GetString());

            // Each token stands where the text says it.
            var tokens = scored.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!).ToArray();
            var offsets = scored.GetProperty("text_offset").EnumerateArray().Select(offset => offset.GetInt32()).ToArray();
            Assert.Equal(Enumerable.Range(0, ids.Length).Select(i => reference.Tokenizer.Decode(ids[..i]).TrimEnd('\uFFFD').Length),
                offsets[..ids.Length]);
            for (int i = 0; i < ids.Length; i++)
                if (!tokens[i].Contains('\uFFFD', StringComparison.Ordinal))
                    Assert.Equal(tokens[i], text.Substring(offsets[i], tokens[i].Length));
            var usage = body.GetProperty("usage");
            Assert.Equal((ids.Length, maxTokens),
                (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32()));

            // Piece by piece, it is the same.
            var events = await EventsAsync("/v1/completions", new
            {
                model = "tiny",
                prompt,
                max_tokens = maxTokens,
                logprobs = 1,
                echo = true,
                temperature = 0,
                logit_bias = NoEnd(),
                stream = true,
            });
            var pieces = events[..^1].Select(piece => JsonElement.Parse(piece).GetProperty("choices")[0]).ToArray();
            Assert.Equal(text, string.Concat(pieces.Select(piece => piece.GetProperty("text").GetString())));
            foreach (var list in new[] { "tokens", "token_logprobs", "top_logprobs", "text_offset" })
                Assert.Equal(
                    scored.GetProperty(list).EnumerateArray().Select(entry => entry.GetRawText()),
                    pieces.SelectMany(piece => piece.GetProperty("logprobs").GetProperty(list).EnumerateArray())
                        .Select(entry => entry.GetRawText()));
        }
    }

    [Fact]
    public async Task Vectors_of_tokens_are_those_of_their_texts()
    {
        using var reference = fixture.Server.Reference();
        int[] first = reference.Tokenizer.Encode("the quick "), second = reference.Tokenizer.Encode("the slow ");
        var texts = await PostAsync("/v1/embeddings", new { model = "tiny", input = new[] { "the quick ", "the slow " } });
        var several = await PostAsync("/v1/embeddings", new { model = "tiny", input = new[] { first, second } });
        var one = await PostAsync("/v1/embeddings", new { model = "tiny", input = second });
        Assert.Equal(texts.GetProperty("data").GetRawText(), several.GetProperty("data").GetRawText());
        Assert.Equal(texts.GetProperty("data")[1].GetProperty("embedding").GetRawText(),
            one.GetProperty("data")[0].GetProperty("embedding").GetRawText());
        foreach (object input in new object[] { new[] { 100_000 }, new[] { -1 }, Array.Empty<int>(), new[] { 1.5 }, 7 })
        {
            using var response = await fixture.Server.Http.PostAsJsonAsync("/v1/embeddings", new { model = "tiny", input });
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            Assert.Equal("input", (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetProperty("param")
                .GetString());
        }
    }

    private static Dictionary<string, int> NoEnd()
        => new[] { "<|endoftext|>", "<|end|>" }.ToDictionary(token => $"{TinyGpt.Tokenizer.TokenToId(token)}", _ => -100);

    [Theory]
    [InlineData("""{"model":"tiny"}""", 400, "messages")]
    [InlineData("""{"model":"tiny","messages":[]}""", 400, "messages")]
    [InlineData("""{"model":"nobody","messages":[{"role":"user","content":"x"}]}""", 404, "model")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":"x"}],"temperature":3}""", 400, "temperature")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":"x"}],"n":0}""", 400, "n")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":"x"}],"top_logprobs":2}""", 400, "top_logprobs")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":"x"}],"functions":[]}""", 400, "functions")]
    [InlineData("""{"model":"tiny","messages":[{"role":"bird","content":"x"}]}""", 400, "messages[0].role")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":"x"}],"tool_choice":"required"}""", 400, "tool_choice")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}""", 400,
        "messages[0].content[0].type")]
    [InlineData("""{"model":"tiny","messages":[{"role":"user","content":"\ud800"}]}""", 400, "messages[0].content")]
    [InlineData(Ask + """ "tools":[{"type":"function","function":{"name":"get weather"}}]}""", 400, "tools[0].function.name")]
    [InlineData(Ask + """ "tools":[{"type":"function","function":{"name":""}}]}""", 400, "tools[0].function.name")]
    [InlineData(Ask + """ "tools":[{"type":"function","function":{"name":"a\n"}}]}""", 400, "tools[0].function.name")]
    [InlineData(Ask + """ "tools":[{"type":"function","function":{"name":"天気"}}]}""", 400, "tools[0].function.name")]
    [InlineData(
        Ask + """ "tools":[{"type":"function","function":{"name":"a23456789-b23456789-c23456789-d23456789-e23456789-f23456789-g2345"}}]}""",
        400, "tools[0].function.name")]
    [InlineData(
        Ask + """ "tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"a"}}]}""", 400,
        "tools[1].function.name")]
    [InlineData("""{"model":"tiny","messages":""", 400, null)]
    [InlineData("[]", 400, null)]
    [InlineData("", 400, null)]
    public async Task What_cannot_be_done_is_refused_in_OpenAIs_shape_by_the_fields_name(string body, int status, string? parameter)
    {
        using var response = await fixture.Server.Http.PostAsync("/v1/chat/completions",
            new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(status, (int)response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
        Assert.Equal(parameter, error.GetProperty("param").GetString());
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
        Assert.NotEmpty(error.GetProperty("type").GetString()!);
    }

    [Fact]
    public async Task A_conversation_that_is_too_long_says_so_by_its_code()
    {
        using var response = await fixture.Server.Http.PostAsJsonAsync("/v1/chat/completions",
            new { model = "tiny", messages = new[] { new { role = "user", content = new string('x', 3000) } } });
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("context_length_exceeded", (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error")
            .GetProperty("code").GetString());
    }

    [Fact]
    public async Task Fields_that_do_no_harm_are_accepted()
        => await PostAsync("/v1/chat/completions", new
        {
            model = "tiny",
            messages = Hello,
            max_tokens = 2,
            user = "somebody",
            store = false,
            metadata = new { a = "b" },
            service_tier = "auto",
            frobnicate = 7,
        });

    [Fact]
    public async Task An_unknown_path_is_not_found_in_the_same_shape()
    {
        using var response = await fixture.Server.Http.GetAsync("/v1/images");
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Equal("not_found_error",
            (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetProperty("type").GetString());
    }

    [Theory]
    [InlineData("GET", "/v1/chat/completions", "POST")]
    [InlineData("PUT", "/v1/models", "GET")]
    [InlineData("POST", "/v1/models/some/name", "GET")]
    [InlineData("POST", "/v1/responses/resp_1", "DELETE, GET")]
    [InlineData("GET", "/api/chat", "POST")]
    [InlineData("POST", "/api/tags", "GET")]
    [InlineData("PATCH", "/api/knowledge/collections/handbook/documents/a/b.md", "DELETE, GET, PUT")]
    [InlineData("DELETE", "/health/live", "GET")]
    public async Task A_known_path_by_another_method_says_which_it_takes(string method, string path, string allowed)
    {
        using var response = await fixture.Server.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(allowed, string.Join(", ", response.Content.Headers.Allow.Order(StringComparer.Ordinal)));
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
        if (path.StartsWith("/v1", StringComparison.Ordinal))
            Assert.Equal(("invalid_request_error", "method_not_supported"),
                (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
    }

    private static string?[] Texts(JsonElement completion)
        => [.. completion.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString())];

    private async Task<JsonElement> PostAsync(string path, object body)
    {
        using var response = await fixture.Server.Http.PostAsJsonAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    private async Task<string[]> EventsAsync(string path, object body)
    {
        using var response = await fixture.Server.Http.PostAsJsonAsync(path, body);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var text = await response.Content.ReadAsStringAsync();
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(part => part["data: ".Length..])];
    }
}
