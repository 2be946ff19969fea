using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>The commands that answer JSON lines, as processes, against the outputs of the reference libraries.</summary>
[Trait("Category", "EndToEnd")]
public sealed class JsonLinesTests
{
    [Fact]
    public void Tokenize_and_detokenize_give_what_the_reference_gives()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var texts = Lines(File.ReadAllText(fixtures.At("texts.jsonl")))
            .ToDictionary(t => t.GetProperty("id").GetInt32(), t => t.GetProperty("text").GetString()!);
        var cases = Lines(File.ReadAllText(fixtures.At("gpt2-bytelevel", "cases.jsonl")))
            .Where(c => c.TryGetProperty("text_id", out _) && c.TryGetProperty("tokens", out _)).ToList();
        Assert.NotEmpty(cases);

        var input =
            cases.Select(
                c => JsonSerializer.Serialize(
                    new
                    {
                        text = texts[c.GetProperty("text_id").GetInt32()],
                        add_special_tokens = c.GetProperty("add_special_tokens").GetBoolean()
                    }));
        var (code, output, error) = Run(["tokenize", fixtures.At("gpt2-bytelevel"), "--jsonl"], input);
        Assert.True(code == 0, error);
        var answers = Lines(output);
        Assert.Equal(cases.Count, answers.Count);
        for (int i = 0; i < cases.Count; i++)
        {
            var text = texts[cases[i].GetProperty("text_id").GetInt32()];
            Assert.Equal(Ids(cases[i].GetProperty("ids")), Ids(answers[i].GetProperty("ids")));
            Assert.Equal(cases[i].GetProperty("tokens").EnumerateArray().Select(t => t.GetString()),
                answers[i].GetProperty("tokens").EnumerateArray().Select(t => t.GetString()));
            Assert.Equal(
                Ids(cases[i].GetProperty("offsets")).Select(o => Utf16(text, o)),
                answers[i].GetProperty("offsets").EnumerateArray().SelectMany(Ids));
        }

        var back =
            Run(["detokenize", fixtures.At("gpt2-bytelevel", "tokenizer.json"), "--jsonl"],
                cases.Select(c => JsonSerializer.Serialize(new { ids = Ids(c.GetProperty("ids")) })));
        Assert.Equal(0, back.ExitCode);
        Assert.Equal(cases.Select(c => c.GetProperty("decoded").GetString()),
            Lines(back.Output).Select(l => l.GetProperty("text").GetString()));
    }

    [Fact]
    public void What_a_file_stores_about_length_and_padding_counts_for_the_file_alone()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var file = fixtures.At("gpt2-bytelevel", "tokenizer.json");
        var json = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(file))!;
        json["truncation"] =
            System.Text.Json.Nodes.JsonNode.Parse("""{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0}""");
        json["padding"] =
            System.Text.Json.Nodes.JsonNode.Parse(
                """{"strategy":{"Fixed":6},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"x"}""");
        File.WriteAllText(file, json.ToJsonString());
        string[] line = ["""{"text":"one two three four five six seven eight nine ten eleven twelve"}"""];
        int Count(string model) => Lines(Run(["tokenize", model, "--jsonl"], line).Output)[0].GetProperty("ids").GetArrayLength();

        Assert.Equal(6, Count(file));
        Assert.True(Count(fixtures.At("gpt2-bytelevel")) >= 12);
        File.WriteAllText(fixtures.At("gpt2-bytelevel", "modules.json"),
            """[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},{"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]""");
        File.WriteAllText(fixtures.At("gpt2-bytelevel", "sentence_bert_config.json"), """{"max_seq_length": 9, "do_lower_case": false}""");
        Directory.CreateDirectory(fixtures.At("gpt2-bytelevel", "1_Pooling"));
        File.WriteAllText(fixtures.At("gpt2-bytelevel", "1_Pooling", "config.json"),
            """{"word_embedding_dimension": 8, "pooling_mode_mean_tokens": true}""");
        Assert.Equal(9, Count(fixtures.At("gpt2-bytelevel")));
    }

    [Fact]
    public void Score_and_generate_give_what_the_reference_gives()
    {
        using var model = FixtureArchive.Extract("models-gpt2");
        using var expected = JsonDocument.Parse(File.ReadAllText(model.At("expected.json")));
        var sequences = expected.RootElement.GetProperty("sequence_logprobs").EnumerateArray().ToList();
        var (code, output, error) =
            Run(["score", model.Path, "--jsonl", "--logits"],
                sequences.Select(
                    s => JsonSerializer.Serialize(new { ids = Ids(s.GetProperty("prompt")).Concat(Ids(s.GetProperty("continuation"))) })));
        Assert.True(code == 0, error);
        foreach (var (answer, sequence) in Lines(output).Zip(sequences))
        {
            double[] want = [.. sequence.GetProperty("token_logprobs").EnumerateArray().Select(p => p.GetDouble())];
            double[] got = [.. answer.GetProperty("log_probs").EnumerateArray().Select(p => p.GetDouble())];
            Assert.Equal(answer.GetProperty("ids").GetArrayLength() - 1, got.Length);
            Assert.All(want.Zip(got[^want.Length..]), pair => Assert.Equal(pair.First, pair.Second, 1e-3));
            Assert.Equal(300, answer.GetProperty("last_logits").GetArrayLength());
        }

        var greedy = expected.RootElement.GetProperty("greedy");
        var beams = expected.RootElement.GetProperty("beam").EnumerateArray().ToList();
        var requests = greedy.GetProperty("cases").EnumerateArray()
            .Select(c =>
                JsonSerializer.Serialize(
                    new
                    {
                        ids = Ids(c.GetProperty("prompt")),
                        max_tokens = greedy.GetProperty("max_new_tokens").GetInt32(),
                        temperature = 0,
                        ignore_eos = true
                    }))
            .Concat(beams.Select(b => JsonSerializer.Serialize(new
            {
                ids = Ids(b.GetProperty("prompt")),
                num_beams = b.GetProperty("num_beams").GetInt32(),
                num_return_sequences = b.GetProperty("hypotheses").GetArrayLength(),
                max_new_tokens = b.GetProperty("max_new_tokens").GetInt32(),
                eos_token_id = b.GetProperty("eos_token_id"),
                length_penalty = b.GetProperty("length_penalty").GetDouble(),
                early_stopping = b.GetProperty("early_stopping"),
            })));
        var generated = Run(["generate", model.Path, "--jsonl"], requests);
        Assert.True(generated.ExitCode == 0, generated.Error + generated.Output);
        var answers = Lines(generated.Output);
        var cases = greedy.GetProperty("cases").EnumerateArray().ToList();
        Assert.Equal(cases.Count + beams.Count, answers.Count);
        for (int i = 0; i < cases.Count; i++)
        {
            Assert.Equal(Ids(cases[i].GetProperty("new_ids")), Ids(answers[i].GetProperty("ids")));
            Assert.Equal("length", answers[i].GetProperty("finish_reason").GetString());
            Assert.Equal(cases[i].GetProperty("prompt").GetArrayLength(),
                answers[i].GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        }

        for (int i = 0; i < beams.Count; i++)
            Assert.Equal(
                beams[i].GetProperty("hypotheses").EnumerateArray().Select(h => string.Join(' ', Ids(h.GetProperty("new_ids")))),
                answers[cases.Count + i].GetProperty("sequences").EnumerateArray()
                    .Select(s => string.Join(' ', Ids(s.GetProperty("ids")))));
    }

    [Fact]
    public void Embed_and_rerank_give_what_the_reference_gives()
    {
        using var models = FixtureArchive.Extract("models-encoders");
        var encoder = models.At("st-mean-prompts-excluded");
        using var expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(encoder, "expected.json")));
        using var vectors = SafetensorsFile.Open(Path.Combine(encoder, "expected.safetensors"));
        var texts = expected.RootElement.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!).ToList();
        var (code, output, error) =
            Run(["embed", encoder, "--jsonl"],
                texts.Select(text => JsonSerializer.Serialize(new { text }))
                    .Concat(texts.Select(text => JsonSerializer.Serialize(new { text, prompt_name = "query" }))));
        Assert.True(code == 0, error);
        float[] want = [.. vectors.ReadFloats("embeddings.none"), .. vectors.ReadFloats("embeddings.query")];
        float[] got = [.. Lines(output).SelectMany(l => l.GetProperty("embedding").EnumerateArray().Select(x => x.GetSingle()))];
        Assert.Equal(want.Length, got.Length);
        Assert.All(want.Zip(got), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        Assert.Contains("prompt",
            Assert.Single(Lines(Run(["embed", encoder, "--jsonl"], ["""{"text": "x", "prompt_name": "nobody"}"""]).Output))
                .GetProperty("error").GetString(), StringComparison.Ordinal);

        var reranker = models.At("st-crossencoder");
        using var scored = JsonDocument.Parse(File.ReadAllText(Path.Combine(reranker, "expected.json")));
        var pairs = scored.RootElement.GetProperty("pairs").EnumerateArray().ToList();
        var ranked =
            Run(["rerank", reranker, "--jsonl", "--exact"],
                pairs.Select(
                    p => JsonSerializer.Serialize(
                        new { query = p.GetProperty("pair")[0].GetString(), text = p.GetProperty("pair")[1].GetString() })));
        Assert.True(ranked.ExitCode == 0, ranked.Error);
        Assert.All(pairs.Zip(Lines(ranked.Output)),
            p => Assert.Equal(p.First.GetProperty("predict_default").GetDouble(), p.Second.GetProperty("score").GetDouble(), 1e-4));
    }

    [Fact]
    public void Template_renders_messages_and_tools_as_the_models_template_says()
    {
        using var model = FixtureArchive.Extract("models-gpt2");
        File.WriteAllText(model.At("chat_template.jinja"), "{% for t in tools or [] %}[{{ t.name }}]{% endfor %}{% for m in messages "
            + "%}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
        File.WriteAllText(model.At("tokenizer_config.json"), """{"eos_token": "</s>"}""");
        var (code, output, _) = Run(
            ["template", model.Path, "--jsonl"],
            [
                """{"messages": [{"role": "user", "content": "Grüße"}], "add_generation_prompt": true}""",
                """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": [{"name": "clock"}]}""",
                """{"messages": [{"role": "user"}], "add_generation_prompt": 1}""",
                """{"messages": "hello"}""",
            ]);
        Assert.Equal(1, code);
        var answers = Lines(output);
        Assert.Equal("<user>Grüße</s><assistant>", answers[0].GetProperty("text").GetString());
        Assert.Equal("[clock]<user>a</s><assistant>b</s>", answers[1].GetProperty("text").GetString());
        Assert.All(answers.Skip(2), a => Assert.True(a.TryGetProperty("error", out _)));
    }

    [Fact]
    public void A_bad_line_is_answered_on_its_line_and_the_run_goes_on()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        byte[] input =
        [
            .. "{\"text\": \"one\"}\r\n{\"text\": 1}\n\n{\"txet\": \"x\", \"text\": \"y\"}\n[]\n"u8,
            .. "{\"text\": \""u8, 0xFF,
            .. "\"}\n{\"text\": \"\\ud800\"}\n{\"text\": \"a\", \"\\uD800\": 1}\n{\"text\": \"last without a line end\"}"u8,
        ];
        var (code, output, _) = CliProcess.Run(["tokenize", fixtures.At("gpt2-bytelevel"), "--jsonl"], input: input);
        Assert.Equal(1, code);
        var answers = Lines(output);
        Assert.Equal([true, false, false, false, false, false, false, false, true], answers.Select(a => a.TryGetProperty("ids", out _)));
        Assert.Contains("'txet' is not known", answers[3].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Contains("no UTF-8", answers[5].GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"ids": [1], "temprature": 1}""", "temprature")]
    [InlineData("""{"ids": [1], "prompt": "x"}""", "not both")]
    [InlineData("""{}""", "exactly one")]
    [InlineData("""{"ids": [300]}""", "300")]
    [InlineData("""{"prompt": "x"}""", "tokenizer")]
    [InlineData("""{"ids": [1], "top_p": 2}""", "'top_p'")]
    [InlineData("""{"ids": [1], "max_new_tokens": 0}""", "'max_new_tokens'")]
    [InlineData("""{"ids": [1], "num_return_sequences": 129, "temperature": 1}""", "from 1 to 128")]
    [InlineData("""{"ids": [1], "num_beams": 2, "temperature": 1}""", "Beam search")]
    [InlineData("""{"ids": [1], "num_return_sequences": 2, "temperature": 0}""", "draw")]
    [InlineData("""{"ids": [1], "stop": [""]}""", "stop")]
    [InlineData("""{"ids": [1], "early_stopping": "sometimes"}""", "early_stopping")]
    [InlineData("""{"ids": [1], "logit_bias": {"x": 1}}""", "logit_bias")]
    [InlineData("""{"ids": [1], "logit_bias": {"\ud800": 1}}""", "half of a surrogate pair")]
    [InlineData("""{"messages": [{"role": "user", "content": "\ud800"}]}""", "'content' holds half of a surrogate pair")]
    public void A_request_that_cannot_be_honoured_is_refused_in_words(string line, string words)
    {
        using var model = FixtureArchive.Extract("models-gpt2");
        var (code, output, _) = Run(["generate", model.Path, "--jsonl"], [line]);
        Assert.Equal(1, code);
        Assert.Contains(words, Assert.Single(Lines(output)).GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_answer_leaves_at_once_and_in_order()
    {
        using var model = FixtureArchive.Extract("models-gpt2");
        var requests = Enumerable.Range(0, 60)
            .Select(i =>
                JsonSerializer.Serialize(
                    new { ids = new[] { i + 1 }, max_tokens = 1 + (i * 7 % 20), temperature = 1, seed = i, ignore_eos = true })).ToList();
        var many = Run(["generate", model.Path, "--jsonl"], requests);
        Assert.Equal(requests.Select((_, i) => 1 + (i * 7 % 20)), Lines(many.Output).Select(l => l.GetProperty("ids").GetArrayLength()));
        var alone = Run(["generate", model.Path, "--jsonl"], [requests[41]]);
        Assert.Equal(Lines(many.Output)[41].GetRawText(), Lines(alone.Output)[0].GetRawText());
    }

    [Fact]
    public void Words_on_the_command_line_are_answered_too_and_nothing_at_all_is_a_mistake()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var (code, output, error) = CliProcess.Run(["tokenize", fixtures.At("gpt2-bytelevel"), "The", "quick"]);
        Assert.True(code == 0, error);
        Assert.Equal([384, 1253, 1234], Ids(Lines(output)[0].GetProperty("ids")));
        Assert.Equal(2, CliProcess.Run(["tokenize", fixtures.At("gpt2-bytelevel")]).ExitCode);
        Assert.Equal(1, CliProcess.Run(["tokenize", "no/such-model", "x"]).ExitCode);
    }

    [Fact]
    public void Errors_name_the_fields_of_the_line()
    {
        using var model = FixtureArchive.Extract("models-gpt2");
        (string Field, string Value)[] settings =
        [
            ("temperature", "-1"), ("top_k", "-1"), ("top_p", "2"), ("min_p", "2"), ("typical_p", "2"), ("epsilon_cutoff", "2"),
            ("eta_cutoff", "2"), ("top_h", "2"), ("top_n_sigma", "-1"),
            ("xtc_threshold", "2"), ("xtc_probability", "2"), ("mirostat_tau", "-1"), ("mirostat_eta", "-1"), ("min_tokens_to_keep", "0"),
            ("repetition_penalty", "0"), ("dry_multiplier", "-1"),
            ("dry_base", "0"), ("dry_allowed_length", "0"), ("no_repeat_ngram_size", "-1"), ("bad_words_ids", "[[300]]"),
            ("logit_bias", """{"300": 1}"""), ("sequence_bias", "[[[300], 1]]"),
            ("suppress_tokens", "[300]"), ("begin_suppress_tokens", "[300]"), ("forced_bos_token_id", "300"),
            ("forced_eos_token_id", "300"), ("exponential_decay_length_penalty", "[-1, 1]"),
            ("min_length", "-1"), ("min_new_tokens", "-1"), ("eos_token_id", "300"), ("num_beams", "100000"), ("num_return_sequences", "0"),
            ("max_tokens", "0"), ("ids", "[300]"),
        ];
        var lines = settings.Select(s => s.Field == "ids" ? $$"""{"ids": {{s.Value}}}""" : $$"""{"ids": [1], "{{s.Field}}": {{s.Value}}}""")
            .Append("""{"ids": [1], "num_beams": 2, "temperature": 1}""").Append("""{"ids": [1], "num_beams": 2, "logprobs": true}""")
            .Append("""{"ids": [1], "num_beams": 2, "num_return_sequences": 3}""");
        string[] fields =
            [.. settings.Select(s => s.Field == "num_beams" ? "max_tokens" : s.Field), "temperature", "logprobs", "num_return_sequences"];
        var answers = Lines(Run(["generate", model.Path, "--jsonl"], lines).Output);
        Assert.Equal(fields.Length, answers.Count);
        foreach (var (field, answer) in fields.Zip(answers))
        {
            var error = answer.GetProperty("error").GetString()!;
            Assert.Contains($"'{field}'", error, StringComparison.Ordinal);
            Assert.DoesNotMatch("[a-z][A-Z]|LocalGptOptions", error);
        }

        Assert.Contains("'ids' holds 300",
            Lines(Run(["score", model.Path, "--jsonl"], ["""{"ids": [300]}"""]).Output)[0].GetProperty("error").GetString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_limits_the_lines_that_do_not_and_usage_counts_what_is_returned()
    {
        using var model = FixtureArchive.Extract("models-gpt2");
        var (code, output, error) = Run(
            ["generate", model.Path, "--jsonl", "--max-tokens", "3"],
            ["""{"ids": [1], "ignore_eos": true}""", """{"ids": [1], "ignore_eos": true, "max_tokens": 5}""",
                """{"ids": [1], "ignore_eos": true, "num_beams": 4, "num_return_sequences": 2}"""]);
        Assert.True(code == 0, error);
        var answers = Lines(output);
        Assert.Equal([3, 5, 3], answers.Select(a => a.GetProperty("ids").GetArrayLength()));
        Assert.Equal([3, 5, 6], answers.Select(a => a.GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
        Assert.Equal(2, CliProcess.Run(["generate", model.Path, "--max-tokens", "0", "x"]).ExitCode);
    }

    [Theory]
    [InlineData("tokenize", "gpt2-bytelevel", "--exact", "hi")]
    [InlineData("tokenize", "--exact", "gpt2-bytelevel")]
    [InlineData("ask", "--embedding-modle", "M", "Who?")]
    [InlineData("chat", "--modle", "M", "hi")]
    public void A_misspelt_option_is_no_text(params string[] arguments)
    {
        var (code, output, error) = CliProcess.Run(arguments);
        Assert.Equal(2, code);
        Assert.Equal("", output);
        Assert.Contains($"'{arguments.First(a => a.StartsWith("--", StringComparison.Ordinal))}' is not an option", error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_may_begin_with_dashes_after_bare_ones()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var (code, output, error) = CliProcess.Run(["tokenize", fixtures.At("gpt2-bytelevel"), "--", "--exact"]);
        Assert.True(code == 0, error);
        var back =
            CliProcess.Run(["detokenize", fixtures.At("gpt2-bytelevel"), .. Ids(Lines(output)[0].GetProperty("ids")).Select(i => $"{i}")]);
        Assert.Equal("--exact", Lines(back.Output)[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_run_ends_when_nobody_reads_its_answers()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var start =
            new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument
            in new[] { "-c", "\"$@\"; echo \"ended with $?\" >&2", "sh", "dotnet",
                Path.Combine(AppContext.BaseDirectory, "Kotonoha.Cli.dll"), "tokenize", fixtures.At("gpt2-bytelevel"), "--jsonl" })
            start.ArgumentList.Add(argument);
        using var shell = Process.Start(start)!;
        shell.StandardOutput.Close();
        await shell.StandardInput.WriteLineAsync("""{"text": "a"}""");
        await shell.StandardInput.FlushAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));

        // Its input is still open: it ends because of its output alone.
        Assert.Equal("ended with 1", (await shell.StandardError.ReadToEndAsync(limit.Token)).Trim());
    }

    private static (int ExitCode, string Output, string Error) Run(string[] arguments, IEnumerable<string> lines)
        => CliProcess.Run(arguments, input: Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n"));

    private static List<JsonElement> Lines(string text)
        => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<JsonElement>(l))];

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    // The reference counts code points.
    private static int Utf16(string text, int codePoints)
    {
        int at = 0;
        for (int i = 0; i < codePoints; i++)
            at += char.IsSurrogatePair(text, at) ? 2 : 1;
        return at;
    }
}
