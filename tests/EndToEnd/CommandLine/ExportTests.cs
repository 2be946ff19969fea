using System.Text;
using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>
/// <c>kotonoha export</c>, <c>quantize</c>, <c>import</c> and <c>inspect</c> as processes: a model goes out and comes back the same.
/// </summary>
[Trait("Category", "EndToEnd")]
public sealed class ExportTests : IDisposable
{
    private readonly TemporaryFolder _model = FixtureArchive.Extract("models-gpt2");
    private readonly TemporaryFolder _work = new();

    public void Dispose()
    {
        _model.Dispose();
        _work.Dispose();
    }

    [Fact]
    public void A_model_that_goes_out_as_GGUF_and_comes_back_as_a_folder_gives_the_same_logits()
    {
        Run("export", _model.Path, _work.At("model.gguf"));
        Run("import", _work.At("model.gguf"), _work.At("folder"));
        var scores = new[] { _model.Path, _work.At("model.gguf"), _work.At("folder") }.Select(Score).ToList();
        Assert.Equal(300, scores[0].Length);
        Assert.All(scores.Skip(1), s => Assert.All(scores[0].Zip(s), pair => Assert.Equal(pair.First, pair.Second, 1e-4)));
    }

    [Theory]
    [InlineData("f16", 0.05)]
    [InlineData("bf16", 0.4)]
    [InlineData("q8_0", 0.6)]
    public void Smaller_types_stay_near(string type, double most)
    {
        Run("quantize", _model.Path, _work.At("small.gguf"), "--type", type);
        Assert.True(new FileInfo(_work.At("small.gguf")).Length < 0.8 * new FileInfo(_model.At("model.safetensors")).Length);
        Assert.All(Score(_model.Path).Zip(Score(_work.At("small.gguf"))),
            pair => Assert.InRange(pair.Second, pair.First - most, pair.First + most));
    }

    [Fact]
    public void Inspect_names_architecture_tensors_and_metadata()
    {
        Run("export", _model.Path, _work.At("model.gguf"), "--type", "f16");
        using var gguf = JsonDocument.Parse(Run("inspect", _work.At("model.gguf"), "--json"));
        using var folder = JsonDocument.Parse(Run("inspect", _model.Path, "--json"));
        Assert.Equal("gpt2", gguf.RootElement.GetProperty("architecture").GetString());
        Assert.Equal("gpt2", folder.RootElement.GetProperty("architecture").GetString());
        Assert.Equal(74112, folder.RootElement.GetProperty("parameters").GetInt64());
        Assert.Equal(74112, gguf.RootElement.GetProperty("parameters").GetInt64());
        Assert.Contains(gguf.RootElement.GetProperty("tensors").EnumerateArray(),
            t => t.GetProperty("name").GetString() == "blk.0.attn_qkv.weight" && t.GetProperty("type").GetString() == "F16");
        Assert.Equal(64, gguf.RootElement.GetProperty("metadata").GetProperty("gpt2.context_length").GetInt32());
        Assert.Contains("parameters    74,112", Run("inspect", _model.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_written_is_refused_before_anything_is_touched()
    {
        _work.Write("taken/file.txt", "mine");
        Assert.Equal(1, CliProcess.Run(["export", _model.Path, _work.At("taken")]).ExitCode);
        Assert.Equal(["file.txt"], Directory.EnumerateFileSystemEntries(_work.At("taken")).Select(f => Path.GetFileName(f)));
        Assert.Equal(2, CliProcess.Run(["export", _model.Path, _work.At("new"), "--type", "q8_0"]).ExitCode);
        Assert.Equal(2, CliProcess.Run(["quantize", _model.Path, _work.At("x.gguf"), "--type", "q9"]).ExitCode);
        Assert.Equal(2, CliProcess.Run(["import", _model.Path, _work.At("x.gguf")]).ExitCode);
        if (OperatingSystem.IsLinux())
            Assert.Contains("the folder '/proc/x' cannot be made", CliProcess.Run(["export", _model.Path, "/proc/x/y.gguf"]).Error,
                StringComparison.Ordinal);
        Assert.False(Path.Exists(_work.At("new")));
    }

    [Fact]
    public void A_folder_with_one_GGUF_file_is_inspected_and_requantised_under_another_name()
    {
        Run("export", _model.Path, _work.At("folder", "model.gguf"));
        Run("quantize", _work.At("folder"), _work.At("small.gguf"), "--type", "q8_0", "--name", "Foo");
        using var inspected = JsonDocument.Parse(Run("inspect", _work.At("folder"), "--json"));
        Assert.Equal("gpt2", inspected.RootElement.GetProperty("architecture").GetString());
        using var small = JsonDocument.Parse(Run("inspect", _work.At("small.gguf"), "--json"));
        Assert.Equal("Foo", small.RootElement.GetProperty("metadata").GetProperty("general.name").GetString());
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"model_type": "gpt2", "x": NaN}""")]
    public void Inspect_of_a_broken_config_names_the_file(string config)
    {
        File.WriteAllText(_model.At("config.json"), config);
        var (code, _, error) = CliProcess.Run(["inspect", _model.Path]);
        Assert.Equal(1, code);
        Assert.Contains("config.json", Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("score", "0")]
    [InlineData("embed", "-3")]
    [InlineData("chat", "5000")]
    public void A_number_of_threads_that_cannot_be_is_an_error_of_usage(string command, string threads)
    {
        var (code, _, error) =
            CliProcess.Run(command == "chat"
                ? [command, "hi", "--model", _model.Path, "--threads", threads]
                : [command, _model.Path, "hi", "--threads", threads]);
        Assert.Equal(2, code);
        Assert.Contains($"--threads {threads}", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_runs_beside_its_model_or_merged_and_alone_is_refused_as_one()
    {
        using var models = FixtureArchive.Extract("models-llama");
        string[] command = ["score", models.At("llama"), "--jsonl"];
        double[] Score(params string[] options)
        {
            var (code, output, error) = CliProcess.Run([.. command, .. options], input: "{\"ids\": [5, 9, 20, 31, 7]}\n"u8.ToArray());
            Assert.True(code == 0, error);
            using var answer = JsonDocument.Parse(output);
            return [.. answer.RootElement.GetProperty("log_probs").EnumerateArray().Select(p => p.GetDouble())];
        }

        var active = Score("--adapter", models.At("lora-llama-dora"));
        Assert.NotEqual(Score(), active);
        Assert.All(active.Zip(Score("--adapter", models.At("lora-llama-dora"), "--merge")),
            pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        Run("export", models.At("llama"), _work.At("merged"), "--adapter", models.At("lora-llama-dora"));
        command = ["score", _work.At("merged"), "--jsonl"];
        Assert.All(active.Zip(Score()), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        var (refused, _, message) = CliProcess.Run(["score", models.At("lora-llama-dora"), "hi"]);
        Assert.Equal(1, refused);
        Assert.Contains("--adapter", message, StringComparison.Ordinal);
        Assert.Equal(2, CliProcess.Run([.. command, "--merge"]).ExitCode);
    }

    [Fact]
    public void A_language_model_where_an_encoder_is_needed_is_told_what_would_do()
    {
        Run("export", _model.Path, _work.At("model.gguf"));
        var (code, _, error) = CliProcess.Run(["rerank", _work.At("model.gguf"), "a", "b"]);
        Assert.Equal(1, code);
        Assert.Contains("'bert' is", error, StringComparison.Ordinal);
        Assert.DoesNotContain("llama", error, StringComparison.Ordinal);
    }

    private static string Run(params string[] arguments)
    {
        var (code, output, error) = CliProcess.Run(arguments);
        Assert.True(code == 0, error);
        return output;
    }

    private static double[] Score(string path)
    {
        var (code, output, error) =
            CliProcess.Run(["score", path, "--jsonl", "--logits", "--exact"],
                input: Encoding.UTF8.GetBytes("{\"ids\": [5, 9, 20, 31, 7]}\n"));
        Assert.True(code == 0, error);
        using var answer = JsonDocument.Parse(output);
        return [.. answer.RootElement.GetProperty("last_logits").EnumerateArray().Select(l => l.GetDouble())];
    }
}
