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

    [Theory]
    [InlineData("preferences --data pairs.jsonl --out DIR", "needs --model")]
    [InlineData("classify --out DIR", "needs --data")]
    [InlineData("classify --data none.jsonl --out DIR", "no such file or folder")]
    [InlineData("classify --data broken.jsonl --out DIR", "broken.jsonl, line 2")]
    [InlineData("classify --data pairs.jsonl --out DIR --optimizer best", "there are adamw, muon, lion, sgd")]
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
