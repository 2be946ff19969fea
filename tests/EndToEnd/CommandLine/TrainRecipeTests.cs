using System.Text.Json;
using Kotonoha.Cli.Training;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha train RECIPE</c> as a process: a chain of recipes, each on what the one before it wrote.</summary>
[Trait("Category", "EndToEnd")]
public sealed class TrainRecipeTests : IDisposable
{
    private static readonly string[] Animals = ["cat", "dog", "bird", "fish"];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_GPT_learns_completions_then_preferences_then_results_and_a_reward_model_is_made()
    {
        Lines("answers.jsonl", i => new { prompt = $"{i % 4}+{i % 3}=", completion = $"{i % 4 + i % 3}" });
        var error = Train("completions", "answers.jsonl", "first", "--depth", "1", "--context", "16", "--steps", "60", "--vocabulary",
            "300");
        Assert.Contains("weights are trained for 60 steps", error, StringComparison.Ordinal);
        Assert.Contains("held-out loss", error, StringComparison.Ordinal);
        Assert.Contains("recipe: completions", File.ReadAllText(_folder.At("first/train.yaml")), StringComparison.Ordinal);
        var log = File.ReadAllLines(_folder.At("first/log.jsonl"));
        Assert.Equal(60, log.Length);
        double LossOf(string line) => JsonDocument.Parse(line).RootElement.GetProperty("loss").GetDouble();
        Assert.True(LossOf(log[^1]) < LossOf(log[0]) / 2);

        // What it writes is measured four times, and follows the first prompt.
        var samples = log.Where(line => line.Contains("\"sample\"", StringComparison.Ordinal)).ToList();
        Assert.Equal(4, samples.Count);
        Assert.StartsWith("0+0=", JsonDocument.Parse(samples[^1]).RootElement.GetProperty("sample").GetString(), StringComparison.Ordinal);
        var chart = File.ReadAllText(_folder.At("first/chart.html"));
        Assert.Contains("<svg", chart, StringComparison.Ordinal);
        Assert.DoesNotContain("http-equiv", chart, StringComparison.Ordinal);

        // The same command again has nothing left to do.
        Assert.DoesNotContain("weights are trained", Train("completions", "answers.jsonl", "first", "--depth", "1", "--context", "16",
            "--steps", "60", "--vocabulary", "300"), StringComparison.Ordinal);

        var (code, _, looked) = CliProcess.Run(["look", _folder.At("first"), "1+2=3", "--out", _folder.At("look.html")]);
        Assert.True(code == 0, looked);
        var page = File.ReadAllText(_folder.At("look.html"));
        foreach (var part in (string[])["How likely each token was", "logit lens", "Layer 1", "head 1", "Where the tokens lie"])
            Assert.Contains(part, page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);

        Lines("pairs.jsonl", i => new { prompt = $"{i % 4}+{i % 3}=", chosen = $"{i % 4 + i % 3}", rejected = $"{i % 4 + i % 3 + 1}" });
        error = Train("preferences", "pairs.jsonl", "aligned", "--model", _folder.At("first"), "--steps", "10", "--lora", "2");
        Assert.Contains("accuracy", error, StringComparison.Ordinal);
        Assert.True(File.Exists(_folder.At("aligned/step-10/adapter_model.safetensors")));
        error = Train("reward", "pairs.jsonl", "reward", "--model", _folder.At("first"), "--steps", "10");
        Assert.Contains("accuracy", error, StringComparison.Ordinal);
        Lines("tasks.jsonl", i => new { prompt = $"{i % 4}+{i % 3}=", answer = $"{i % 4 + i % 3}" });
        error = Train("grpo", "tasks.jsonl", "reinforced", "--model", _folder.At("first"), "--steps", "3", "--max-tokens", "4");
        Assert.Contains("held_out_reward", error, StringComparison.Ordinal);
        error = Train("ppo", "tasks.jsonl", "liked", "--model", _folder.At("first"), "--teacher", _folder.At("reward"), "--steps", "2",
            "--max-tokens", "4");
        Assert.Contains("held_out_reward", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_says_its_cost_as_JSON_and_ends_with_whoever_started_it()
    {
        Lines("answers.jsonl", i => new { prompt = $"{i % 4}+{i % 3}=", completion = $"{i % 4 + i % 3}" });
        string[] command = ["train", "completions", "--data", _folder.At("answers.jsonl"), "--out", _folder.At("first"), "--depth", "1",
            "--context", "16", "--vocabulary", "300", "--evaluate-every", "2", "--steps", "1000000"];
        var (code, output, error) = CliProcess.Run([.. command, "--cost"]);
        Assert.True(code == 0, error);
        var cost = JsonElement.Parse(output);
        Assert.Equal(1_000_000, cost.GetProperty("steps").GetInt64());
        Assert.Equal(6.0 * cost.GetProperty("trainedWeights").GetInt64() * cost.GetProperty("tokens").GetInt64(),
            cost.GetProperty("flops").GetDouble());
        Assert.False(Directory.Exists(_folder.At("first")));

        // There is no input any more.
        (code, _, error) = CliProcess.Run([.. command, "--stop-with-input"]);
        Assert.Equal(130, code);
        Assert.Contains("kotonoha: stopped", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_encoder_is_pretrained_and_learns_classes_and_vectors()
    {
        Directory.CreateDirectory(_folder.At("texts"));
        for (int i = 0; i < 12; i++)
            File.WriteAllText(_folder.At($"texts/{i}.txt"), string.Concat(Enumerable.Range(0, 5).Select(n
                => $"the {Animals[i % 4]} runs {n}\n")));
        Train("masked", "texts", "bert", "--depth", "1", "--context", "32", "--steps", "10", "--vocabulary", "200");
        Lines("classes.jsonl", i => new { text = $"the {Animals[i % 4]} runs", label = i % 4 < 2 ? "pet" : "other" });
        var error = Train("classify", "classes.jsonl", "classes", "--model", _folder.At("bert"), "--steps", "60", "--learning-rate",
            "0.003");
        Assert.Matches("accuracy (0[.]9|1)", error);
        Lines("vectors.jsonl", i => new { anchor = $"where is the {Animals[i % 4]}", positive = $"the {Animals[i % 4]} runs" });
        Train("embed", "vectors.jsonl", "vectors", "--model", _folder.At("bert"), "--steps", "5");
        Assert.True(File.Exists(_folder.At("vectors/step-5/modules.json")));
    }

    [Fact]
    public void A_transformer_learns_to_translate_and_goes_on_from_what_was_saved()
    {
        string[] english = ["red", "blue", "green", "white"], japanese = ["赤", "青", "緑", "白"];
        File.WriteAllLines(_folder.At("pairs.tsv"), Enumerable.Range(0, 160).Select(i
            => $"{english[i % 4]} {english[i / 4 % 4]} {english[i / 16 % 4]}\t"
                + $"{japanese[i % 4]} {japanese[i / 4 % 4]} {japanese[i / 16 % 4]}"));
        var error = Train("translation", "pairs.tsv", "translator", "--depth", "1", "--steps", "150", "--batch", "16", "--vocabulary",
            "300",
            "--learning-rate", "0.005");
        Assert.Contains("bleu", error, StringComparison.Ordinal);
        var (code, output, failed) = CliProcess.Run(["translate", _folder.At("translator"), "white red blue", "--beams", "2"]);
        Assert.True(code == 0, failed);
        Assert.Equal("白 赤 青", output.Trim());

        Lines("pairs.jsonl", i => new { source = english[i % 4], target = japanese[i % 4] });
        Train("translation", "pairs.jsonl", "further", "--model", _folder.At("translator"), "--steps", "2");
        (code, _, error) = CliProcess.Run(["train", "translation", "--data", _folder.At("pairs.tsv"), "--out", _folder.At("none"),
            "--model",
            _folder.At("pairs.tsv")]);
        Assert.NotEqual(0, code);
        Assert.False(Directory.Exists(_folder.At("none")), error);
    }

    [Fact]
    public void A_corpus_is_cleaned_and_a_GPT_learns_from_what_is_left()
    {
        Directory.CreateDirectory(_folder.At("corpus"));
        string Text(int i) => string.Concat(Enumerable.Range(0,
            12).Select(n => $"The {Animals[(i + n) % 4]} number {i * n} runs in {n}. "));
        for (int i = 0; i < 8; i++)
            File.WriteAllText(_folder.At($"corpus/{i}.txt"), Text(i));
        File.WriteAllText(_folder.At("corpus/short.md"), "Nothing.");
        File.WriteAllLines(_folder.At("corpus/more.jsonl"),
            [.. Enumerable.Range(8, 12).Select(i => JsonSerializer.Serialize(new { name = $"text {i}", text = Text(i) })),
                JsonSerializer.Serialize(new { text = Text(3).ToUpperInvariant() })]);
        File.WriteAllText(_folder.At("corpus/log.jsonl"), "{\"step\": 1, \"loss\": 2}\n");
        var (code, output, error) = CliProcess.Run(["clean", _folder.At("corpus"), "--out", _folder.At("clean.jsonl"), "--dropped",
            _folder.At("dropped.jsonl")]);
        Assert.True(code == 0, error);
        Assert.Matches("read +22 texts", output);
        Assert.Matches("kept +20 texts", output);
        Assert.Equal(20, File.ReadLines(_folder.At("clean.jsonl")).Count());
        var dropped = File.ReadAllText(_folder.At("dropped.jsonl"));
        Assert.Contains("{\"name\":\"short.md\",\"reason\":\"TooShort\"}", dropped, StringComparison.Ordinal);
        Assert.Contains("\"reason\":\"ExactDuplicate\",\"original\":\"3.txt\"", dropped, StringComparison.Ordinal);
        Assert.Contains("held-out loss", Train("text", "clean.jsonl", "gpt", "--depth", "1", "--context", "16", "--steps", "5",
            "--vocabulary",
            "300"), StringComparison.Ordinal);

        File.AppendAllText(_folder.At("corpus/more.jsonl"), "{\"text\": 3}\n");
        (code, _, error) = CliProcess.Run(["clean", _folder.At("corpus"), "--out", _folder.At("again.jsonl")]);
        Assert.NotEqual(0, code);
        Assert.Contains("more.jsonl, line 14", error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.At("again.jsonl")));
    }

    [Fact]
    public void A_sweep_is_fitted_predicts_a_run_and_is_not_run_twice()
    {
        File.WriteAllText(_folder.At("text.txt"), string.Concat(Enumerable.Range(0, 600).Select(i => $"{Animals[i * i % 4]} {i % 7} ")));
        string[] sweep = ["scaling", "--data", _folder.At("text.txt"), "--out", _folder.At("sweep"), "--width", "16", "32", "--steps", "2",
            "4",
            "8", "--held-out-width", "48", "--held-out-steps", "10"];
        var (code, output, error) = CliProcess.Run(sweep);
        Assert.True(code == 0, error);
        Assert.Contains("L(N, D) = ", output, StringComparison.Ordinal);
        Assert.Contains("7/7:", error, StringComparison.Ordinal);
        var page = File.ReadAllText(_folder.At("sweep/scaling.html"));
        Assert.Equal(7, page.Split("<circle").Length - 1);
        var (_, again, quiet) = CliProcess.Run(sweep);
        Assert.Equal(output, again);
        Assert.DoesNotContain("parameters", quiet, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("preferences --data pairs.jsonl --out DIR", "needs --model")]
    [InlineData("classify --out DIR", "needs --data")]
    [InlineData("classify --data none.jsonl --out DIR", "no such file or folder")]
    [InlineData("classify --data broken.jsonl --out DIR", "broken.jsonl, line 2")]
    [InlineData("classify --data pairs.jsonl --out DIR --optimizer best", "there are adamw, muon, lion, sgd")]
    [InlineData("classify --data pairs.jsonl --out DIR --lora 2", "'--lora'")]
    [InlineData("reward --data pairs.jsonl --model none --out DIR --lora 2", "'--lora'")]
    [InlineData("text --data pairs.jsonl --out DIR --method dpo", "'--method'")]
    [InlineData("text --data pairs.jsonl --out DIR --learning-rate nan", "--learning-rate NaN: a number above 0")]
    [InlineData("text --data pairs.jsonl --out DIR --learning-rate Infinity", "--learning-rate Infinity: a number above 0")]
    [InlineData("text --data pairs.jsonl --out DIR --average-decay 5", "--average-decay 5: from 0 to below 1")]
    [InlineData("text --data pairs.jsonl --out DIR --layer-decay nan", "--layer-decay NaN: above 0, at most 1")]
    [InlineData("preferences --data pairs.jsonl --model none --out DIR --beta -1", "--beta -1: a number above 0")]
    [InlineData("text --data pairs.jsonl --out DIR --dora", "--dora goes with --lora")]
    [InlineData("text --data pairs.jsonl --out DIR --model none --depth 2", "--depth is for a new model")]
    [InlineData("text --data pairs.jsonl --out DIR --model none --lora 2 --last-layers 1", "--lora and --last-layers exclude each other")]
    [InlineData("embed --data similar.jsonl --out DIR", "similar.jsonl, line 2: 'similarity' should be a number")]
    [InlineData("answers --data FOLDER --out DIR", "is a folder; name a file")]
    [InlineData("completions --data messages.jsonl --out DIR", "messages.jsonl, line 1: 'prompt' is a list")]
    [InlineData("text --data pairs.jsonl --out DIR --depth 300 --cost", "GB of memory, and there are")]
    [InlineData("text --config bad.yaml", "bad.yaml', line 1: there is no setting 'stepz'")]
    [InlineData("text --config nan.yaml", "--learning-rate NaN")]
    [InlineData("text --config empty.yaml", "empty.yaml': it should be one list of settings")]
    [InlineData("text --config chat.yaml", "chat.yaml', line 1: the settings are of the recipe 'chat', not of 'text'")]
    [InlineData("text --config words.yaml", "words.yaml', line 2: 'steps' is 'many': it should be a whole number")]
    [InlineData("text --config method.yaml", "method.yaml', line 1: 'method' is no setting of 'text'")]
    public void What_cannot_be_done_is_said_before_anything_is_written(string arguments, string words)
    {
        Lines("pairs.jsonl", i => new { text = "a", label = "b", prompt = "a", chosen = "b", rejected = $"{i}" });
        File.WriteAllText(_folder.At("broken.jsonl"), "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": 3\n");
        File.WriteAllText(_folder.At("similar.jsonl"), "{\"first\": \"a\", \"second\": \"b\", \"similarity\": 1}\n"
            + "{\"first\": \"a\", \"second\": \"b\", \"similarity\": \"much\"}\n");
        File.WriteAllText(_folder.At("messages.jsonl"),
            "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": \"b\"}\n");
        File.WriteAllText(_folder.At("bad.yaml"), "stepz: 3\n");
        File.WriteAllText(_folder.At("nan.yaml"), $"data: {_folder.At("pairs.jsonl")}\nout: {_folder.At("out")}\nlearning-rate: .nan\n");
        File.WriteAllText(_folder.At("empty.yaml"), "");
        File.WriteAllText(_folder.At("chat.yaml"), "recipe: chat\n");
        File.WriteAllText(_folder.At("words.yaml"), "recipe: text\nsteps: many\n");
        File.WriteAllText(_folder.At("method.yaml"), "method: dpo\n");
        var (code, _, error) = CliProcess.Run(["train", .. arguments.Split(' ').Select(argument => argument switch
        {
            "DIR" => _folder.At("out"),
            "FOLDER" => _folder.Path,
            _ when argument.Contains('.', StringComparison.Ordinal) => _folder.At(argument),
            _ => argument,
        })]);
        Assert.NotEqual(0, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")));
    }

    [Fact]
    public void Conversations_are_rendered_by_the_models_template_and_other_shapes_of_data_are_read()
    {
        object[] Asked(int i) => [new { role = "user", content = $"{i % 4}+{i % 3}?" }];
        object[] Said(int i, int sum) => [.. Asked(i), new { role = "assistant", content = $"{sum}" }];
        Lines("chat.jsonl", i => new { messages = Said(i, i % 4 + i % 3) });
        string[] small = ["--depth", "1", "--context", "48", "--vocabulary", "300", "--steps", "2"];
        Train("chat", "chat.jsonl", "chat", small);
        Lines("gsm.jsonl", i => new { question = $"{i % 4}+1?", answer = $"One more.\n#### {i % 4 + 1}" });
        Train("completions", "gsm.jsonl", "plain", small);

        // The model reads its template's marks, not JSON.
        Lines("tasks.jsonl", i => new { prompt = Asked(i), answer = $"{i % 4 + i % 3}" });
        Train("grpo", "tasks.jsonl", "grpo", "--model", _folder.At("chat"), "--steps", "2", "--batch", "2", "--max-tokens", "3");
        string[] samples = [.. File.ReadAllLines(_folder.At("grpo/log.jsonl"))
            .Where(line => line.Contains("\"sample\"", StringComparison.Ordinal))];
        Assert.NotEmpty(samples);
        Assert.All(samples, line => Assert.StartsWith("0+0?\n", JsonDocument.Parse(line).RootElement.GetProperty("sample").GetString(),
            StringComparison.Ordinal));
        Lines("pairs.jsonl", i => new { chosen = Said(i, i % 4 + i % 3), rejected = Said(i, 9) });
        Assert.Contains("accuracy", Train("reward", "pairs.jsonl", "reward", "--model", _folder.At("chat"), "--steps", "2"),
            StringComparison.Ordinal);
        var (code, _, error) = CliProcess.Run(["train", "grpo", "--data", _folder.At("tasks.jsonl"), "--out", _folder.At("none"), "--model",
            _folder.At("plain")]);
        Assert.NotEqual(0, code);
        Assert.Contains("tasks.jsonl, line 1: the line is a list of messages, and the model has no chat template", error,
            StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("none")));

        Train("grpo", "gsm.jsonl", "results", "--model", _folder.At("plain"), "--steps", "1", "--batch", "2", "--max-tokens", "3",
            "--group", "2", "--temperature", "0.9", "--lora", "2", "--lora-alpha", "3", "--lora-targets", "c_attn,c_fc");
        using (var adapter = JsonDocument.Parse(File.ReadAllText(_folder.At("results/step-1/adapter_config.json"))))
        {
            Assert.Equal(3, adapter.RootElement.GetProperty("lora_alpha").GetDouble());
            Assert.Equal(2, adapter.RootElement.GetProperty("target_modules").GetArrayLength());
        }

        Lines("transcripts.jsonl", i => new
        {
            chosen = $"\n\nHuman: {i % 4}?\n\nAssistant: yes",
            rejected = $"\n\nHuman: {i % 4}?\n\nAssistant: no",
        });
        Train("preferences", "transcripts.jsonl", "harmless", "--model", _folder.At("plain"), "--steps", "1");
        Lines("rated.jsonl", i => new { prompt = $"{i % 4}+1=", completion = i % 2 == 0 ? "x" : $"{i % 4 + 1}", label = i % 2 == 1 });
        Train("preferences", "rated.jsonl", "kto", "--model", _folder.At("plain"), "--steps", "1", "--method", "kto");
        (code, _, error) = CliProcess.Run(["train", "preferences", "--data", _folder.Path, "--out", _folder.At("none"), "--model",
            _folder.At("plain")]);
        Assert.NotEqual(0, code);
        Assert.Contains("is a folder; name a file", error, StringComparison.Ordinal);
        Lines("uneven.jsonl", i => new { prompt = "1=", completion = i is 3 or 59 ? new string('x', 20) : "1", label = i % 2 == 1 });
        Assert.Contains("left out: 1 completions, and 1 held out, that are longer than 12 tokens", Train("preferences", "uneven.jsonl",
            "short", "--model", _folder.At("plain"), "--steps", "1", "--method", "kto", "--context", "12"), StringComparison.Ordinal);
        File.WriteAllText(_folder.At("alpaca.json"), JsonSerializer.Serialize(Enumerable.Range(0, 40)
            .Select(i => new { instruction = "add", input = $"{i % 4}+1", output = $"{i % 4 + 1}" })));
        Assert.Contains("held out", Train("chat", "alpaca.json", "alpaca", small), StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_is_found_by_its_run_and_is_no_model()
    {
        Lines("answers.jsonl", i => new { prompt = $"{i % 4}=", completion = $"{i % 4}" });
        Train("completions", "answers.jsonl", "gpt", "--depth", "1", "--context", "16", "--steps", "2", "--vocabulary", "300");
        Train("completions", "answers.jsonl", "lo", "--model", _folder.At("gpt"), "--steps", "3", "--lora", "4");
        string Generated(string adapter)
        {
            var (code, output, error) = CliProcess.Run(["generate", _folder.At("gpt"), "1=", "--max-tokens", "4", "--adapter", adapter]);
            Assert.True(code == 0, error);
            return output;
        }

        Assert.Equal(Generated(_folder.At("lo/step-3")), Generated(_folder.At("lo")));

        // A separator at the end of its path makes no other model.
        Train("completions", "answers.jsonl", "lo", "--model", _folder.At("gpt") + Path.DirectorySeparatorChar, "--steps", "4", "--lora",
            "4");
        var (exported, _, problem) = CliProcess.Run(
            ["export", _folder.At("gpt"), _folder.At("merged"), "--adapter", _folder.At("lo")]);
        Assert.True(exported == 0, problem);
        foreach (var command in (string[][])[["chat", "--model", _folder.At("lo"), "hello"], ["inspect", _folder.At("lo")]])
        {
            var (code, _, error) = CliProcess.Run(command);
            Assert.NotEqual(0, code);
            Assert.Contains("this is an adapter, not a model", error, StringComparison.Ordinal);
            Assert.Contains("--adapter", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_an_adapter_needs_counts_the_weights_as_they_are_stored_and_a_GGUF_file_says_its_sizes()
    {
        Lines("answers.jsonl", i => new { prompt = $"{i % 4}=", completion = $"{i % 4}" });
        Train("completions", "answers.jsonl", "gpt", "--depth", "1", "--context", "16", "--steps", "2", "--vocabulary", "300");
        var (code, _, error) = CliProcess.Run(["export", _folder.At("gpt"), _folder.At("gpt.gguf"), "--type", "q8_0"]);
        Assert.True(code == 0, error);
        var whole = RecipeMemory.Of(new RecipeSettings { Recipe = "completions", Model = _folder.At("gpt") });
        var small = new RecipeSettings { Recipe = "completions", Model = _folder.At("gpt.gguf"), Lora = 4 };
        var adapted = RecipeMemory.Of(small);
        Assert.Equal((64, 1, 16), (whole.Width, whole.Layers, whole.Context));
        Assert.Equal((whole.Width, whole.Layers, whole.Context, whole.Vocabulary),
            (adapted.Width, adapted.Layers, adapted.Context, adapted.Vocabulary));
        Assert.Equal(4 * whole.Weights, whole.WeightBytes);
        Assert.InRange(adapted.WeightBytes, 1, 1.5 * adapted.Weights);
        Assert.Equal(4 * adapted.Weights, RecipeMemory.Of(small with { Lora = null }).WeightBytes);
    }

    [Fact]
    public async Task A_run_keeps_its_folder_to_itself_and_goes_on_after_a_kill_with_the_same_settings_alone()
    {
        Directory.CreateDirectory(_folder.At("texts"));
        File.WriteAllLines(_folder.At("texts/lines.jsonl"), Enumerable.Range(0, 60).Select(i
            => JsonSerializer.Serialize(new { text = $"the {Animals[i % 4]} runs {i} times and sleeps" })));
        string[] run = ["train", "text", "--data", _folder.At("texts"), "--out", _folder.At("gpt"), "--depth", "1", "--context", "16",
            "--vocabulary", "300", "--evaluate-every", "20"];
        using (var first = CliProcess.Start([.. run, "--steps", "1000000"]))
        {
            while (!File.Exists(_folder.At("gpt/latest")) && !await first.WaitForExitAsync(TimeSpan.FromMilliseconds(50)))
            {
            }

            var settings = File.ReadAllText(_folder.At("gpt/train.yaml"));
            var (busy, _, says) = CliProcess.Run([.. run, "--steps", "30"]);
            Assert.NotEqual(0, busy);
            Assert.Contains("another process is training into this folder", says, StringComparison.Ordinal);
            Assert.Equal(settings, File.ReadAllText(_folder.At("gpt/train.yaml")));
            first.Kill();
            await first.WaitForExitAsync(TimeSpan.FromMinutes(1));
        }

        long saved = long.Parse(File.ReadAllText(_folder.At("gpt/latest")).Trim()["step-".Length..],
            System.Globalization.CultureInfo.InvariantCulture);
        string[] more = ["--steps", $"{saved + 5}"];
        var before = File.ReadAllText(_folder.At("gpt/train.yaml"));
        var (code, _, error) = CliProcess.Run([.. run, .. more, "--optimizer", "muon", "--learning-rate", "0.5"]);
        Assert.NotEqual(0, code);
        Assert.Contains("optimizer (AdamWOptions", error, StringComparison.Ordinal);
        Assert.Contains("now 0.5)", error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(_folder.At("gpt/train.yaml")));

        // The file that the run left is all that it takes; the log has each step once.
        File.WriteAllText(_folder.At("again.yaml"), before.Replace("steps: 1000000", $"steps: {saved + 5}", StringComparison.Ordinal));
        (code, _, error) = CliProcess.Run(["train", "--config", _folder.At("again.yaml")]);
        Assert.True(code == 0, error);
        Assert.Equal(Enumerable.Range(1, (int)saved + 5).Select(i => (long)i), File.ReadAllLines(_folder.At("gpt/log.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("step").GetInt64()));

        // An option that the model cannot honour is refused.
        foreach (var (option, value, words) in new[] { ("--context", "900", "the model's context is 16"),
            ("--last-layers", "9", "The last 9 layers are to be trained, and the model has 1") })
        {
            (code, _, error) = CliProcess.Run(["train", "text", "--data", _folder.At("texts"), "--out", _folder.At("further"), "--model",
                _folder.At("gpt"), option, value]);
            Assert.NotEqual(0, code);
            Assert.Contains(words, error, StringComparison.Ordinal);
        }

        // What is measured of the model is the mean over each text's tokens but the first.
        File.WriteAllText(_folder.At("one.txt"), "the cat runs 7 times and sleeps");
        var (measured, output, failed) = CliProcess.Run(["perplexity", _folder.At("gpt"), _folder.At("one.txt"), "--json"]);
        Assert.True(measured == 0, failed);
        var (_, scored, _) = CliProcess.Run(["score", _folder.At("gpt"), "the cat runs 7 times and sleeps", "--exact"]);
        double[] logs = [.. JsonDocument.Parse(scored).RootElement.GetProperty("log_probs").EnumerateArray().Select(v => v.GetDouble())];
        var perplexity = JsonDocument.Parse(output).RootElement;
        Assert.Equal(logs.Length, perplexity.GetProperty("tokens").GetInt32());
        Assert.Equal(-logs.Average(), perplexity.GetProperty("loss").GetDouble(), 1e-3);
        Assert.Equal(-logs.Sum() / Math.Log(2) / 31, perplexity.GetProperty("bits_per_byte").GetDouble(), 1e-3);
        Assert.Equal(Math.Exp(perplexity.GetProperty("loss").GetDouble()), perplexity.GetProperty("perplexity").GetDouble(), 1e-6);
    }

    [Theory]
    [InlineData("translate none a --length-penalty nan", "--length-penalty NaN: a finite number")]
    [InlineData("scaling --data FILE --out none --flops nan", "--flops NaN: a number above 0")]
    [InlineData("clean FILE --out none --script Klingon", "--script 'Klingon': there are Japanese, ")]
    [InlineData("clean FILE --out none --min-characters -5", "--min-characters -5: 0 or more")]
    [InlineData("judge TWICE --out none --model none", "TWICE, line 1: ")]
    [InlineData("ratings NOTHING", "NOTHING, line 1: a vote is a JSON object")]
    public void A_value_that_cannot_be_used_is_one_message(string arguments, string words)
    {
        File.WriteAllText(_folder.At("FILE"), "a b c\n");
        File.WriteAllText(_folder.At("TWICE"), "{\"prompt\": \"a\", \"answers\": {\"x\": \"1\", \"x\": \"2\"}}\n");
        File.WriteAllText(_folder.At("NOTHING"), "null\n");
        var (code, _, error) = CliProcess.Run(
            [.. arguments.Split(' ').Select(a => a is "FILE" or "TWICE" or "NOTHING" or "none" ? _folder.At(a) : a)]);
        Assert.True(code is 1 or 2, error);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    private void Lines(string file, Func<int, object> line)
        => File.WriteAllLines(_folder.At(file), Enumerable.Range(0, 60).Select(i => JsonSerializer.Serialize(line(i))));

    private string Train(string recipe, string data, string output, params string[] options)
    {
        var (code, _, error) = CliProcess.Run(["train", recipe, "--data", _folder.At(data), "--out", _folder.At(output), .. options]);
        Assert.True(code == 0, error);
        return error;
    }
}
