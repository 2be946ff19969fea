using System.Text.Json;

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
        error = Train("grpo", "tasks.jsonl", "reinforced", "--model", _folder.At("first"), "--steps", "3", "--context", "4");
        Assert.Contains("held_out_reward", error, StringComparison.Ordinal);
        error = Train("ppo", "tasks.jsonl", "liked", "--model", _folder.At("first"), "--teacher", _folder.At("reward"), "--steps", "2",
            "--context", "4");
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
    [InlineData("classify --data pairs.jsonl --out DIR --lora 2", "--lora is for GPTs")]
    [InlineData("text --config bad.yaml", "bad.yaml")]
    public void What_cannot_be_done_is_said_before_anything_is_written(string arguments, string words)
    {
        Lines("pairs.jsonl", i => new { text = "a", label = "b", prompt = "a", chosen = "b", rejected = $"{i}" });
        File.WriteAllText(_folder.At("broken.jsonl"), "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": 3\n");
        File.WriteAllText(_folder.At("bad.yaml"), "stepz: 3\n");
        var (code, _, error) = CliProcess.Run(["train", .. arguments.Split(' ').Select(argument => argument switch
        {
            "DIR" => _folder.At("out"),
            _ when argument.Contains('.', StringComparison.Ordinal) => _folder.At(argument),
            _ => argument,
        })]);
        Assert.NotEqual(0, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")));
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
