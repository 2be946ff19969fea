using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha prune</c> as a process: smaller models that load like any other.</summary>
[Trait("Category", "EndToEnd")]
public sealed partial class PruneTests : IDisposable
{
    private readonly TemporaryFolder _model = FixtureArchive.Extract("models-gpt2");
    private readonly TemporaryFolder _work = new();

    public void Dispose()
    {
        _model.Dispose();
        _work.Dispose();
    }

    [Fact]
    public void The_smallest_weights_of_each_matrix_become_zero_and_a_share_of_none_changes_nothing()
    {
        var none = Prune(_model.Path, "none", "--weights", "0");
        Assert.Equal(Score(_model.Path), Score(_work.At("none")));
        var some = Prune(_model.Path, "some", "--weights", "0.4");
        using var inspected = JsonDocument.Parse(Run("inspect", _model.Path, "--json").Output);
        long expected = inspected.RootElement.GetProperty("tensors").EnumerateArray()
            .Where(t => t.GetProperty("name").GetString()!.Contains("h.", StringComparison.Ordinal)
                && t.GetProperty("shape").GetArrayLength() == 2)
            .Sum(t => (long)(t.GetProperty("shape").EnumerateArray().Aggregate(1L, (n, d) => n * d.GetInt64()) * 0.4));
        Assert.Equal(expected, some.Zeros - none.Zeros);
        Assert.Equal((74112, 74112), (some.Before, some.After));
        Assert.NotEqual(Score(_model.Path), Score(_work.At("some")));
    }

    [Theory]
    [InlineData("models-gpt2", "", "n_inner")]
    [InlineData("models-llama", "llama", "intermediate_size")]
    [InlineData("models-llama", "qwen3", "intermediate_size")]
    [InlineData("models-llama", "mistral-sliding", "intermediate_size")]
    public void A_quarter_of_the_units_goes_and_a_share_of_none_changes_nothing(string archive, string name, string setting)
    {
        using var models = FixtureArchive.Extract(archive);
        var model = name.Length == 0 ? models.Path : models.At(name);
        Prune(model, "none", "--units", "0");
        Assert.Equal(Score(model), Score(_work.At("none")));
        var (before, after, _, _) = Prune(model, "some", "--units", "0.25");
        Assert.Equal(before, Parameters(model));
        Assert.Equal(after, Parameters(_work.At("some")));
        Assert.True(after < before);
        Assert.Equal(Math.Round(0.75 * Setting(_work.At("none"), setting)), Setting(_work.At("some"), setting));
        Assert.All(Score(_work.At("some")), score => Assert.True(double.IsFinite(score)));
    }

    [Fact]
    public void A_quantised_file_is_raised_and_the_folder_works_with_other_commands()
    {
        Run("quantize", _model.Path, _work.At("small.gguf"), "--type", "q8_0");
        var (_, error) = Run("prune", _work.At("small.gguf"), _work.At("pruned"), "--units", "0.5", "--type", "f16");
        Assert.Contains("are quantised (Q8_0); they are raised to single precision", error, StringComparison.Ordinal);
        Assert.Contains("in F16", error, StringComparison.Ordinal);
        Run("quantize", _work.At("pruned"), _work.At("again.gguf"), "--type", "q8_0");
        Assert.All(Score(_work.At("again.gguf")), score => Assert.True(double.IsFinite(score)));
    }

    [Theory]
    [InlineData("MODEL new", "give either --weights or --units")]
    [InlineData("MODEL new --weights 0.1 --units 0.1", "give either --weights or --units")]
    [InlineData("MODEL new --weights 1", "--weights 1: from 0 to below 1")]
    [InlineData("MODEL new --units nan", "--units NaN: from 0 to below 1")]
    [InlineData("MODEL new --units -0.5", "--units -0.5: from 0 to below 1")]
    [InlineData("MODEL new.gguf --units 0.5", "prune makes a folder")]
    [InlineData("MODEL new --units 0.5 --type q8_0", "--type q8_0: one of f32, f16, bf16")]
    [InlineData("MODEL taken --units 0.5", "there is something already")]
    [InlineData("nothing new --units 0.5", "there is no such file or folder")]
    [InlineData("encoder new --units 0.5", "is an encoder; prune takes language models")]
    public void What_cannot_be_pruned_is_one_message(string arguments, string words)
    {
        _work.Write("taken/file.txt", "mine");
        _work.Write("encoder/config.json", """{"model_type": "bert"}""");
        var (code, _, error) = CliProcess.Run(["prune", .. arguments.Split(' ').Select(argument => argument switch
        {
            "MODEL" => _model.Path,
            "new" or "new.gguf" or "taken" or "nothing" or "encoder" => _work.At(argument),
            _ => argument,
        })]);
        Assert.True(code is 1 or 2, error);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.False(Path.Exists(_work.At("new")));
        Assert.Equal(["file.txt"], Directory.EnumerateFileSystemEntries(_work.At("taken")).Select(f => Path.GetFileName(f)));
    }

    private (long Before, long After, long Zeros, string Error) Prune(string model, string target, params string[] options)
    {
        var (output, error) = Run(["prune", model, _work.At(target), .. options]);
        Assert.Equal(_work.At(target), output.Trim());
        var sizes = Sizes().Match(error);
        Assert.True(sizes.Success, error);
        Assert.Contains("MB of weights in F32", error, StringComparison.Ordinal);
        long Figure(int group) => long.Parse(sizes.Groups[group].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        return (Figure(1), Figure(2), Figure(3), error);
    }

    private static double Setting(string folder, string name)
    {
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        return config.RootElement.GetProperty(name).GetDouble();
    }

    private static long Parameters(string model)
    {
        using var inspected = JsonDocument.Parse(Run("inspect", model, "--json").Output);
        return inspected.RootElement.GetProperty("parameters").GetInt64();
    }

    private static double[] Score(string model)
    {
        var (code, output, error) = CliProcess.Run(["score", model, "--jsonl", "--logits", "--exact"],
            input: Encoding.UTF8.GetBytes("{\"ids\": [5, 9, 20, 31, 7]}\n"));
        Assert.True(code == 0, error);
        using var answer = JsonDocument.Parse(output);
        return [.. answer.RootElement.GetProperty("last_logits").EnumerateArray().Select(l => l.GetDouble())];
    }

    private static (string Output, string Error) Run(params string[] arguments)
    {
        var (code, output, error) = CliProcess.Run(arguments);
        Assert.True(code == 0, error);
        return (output, error);
    }

    [GeneratedRegex(@"([\d,]+) parameters before, ([\d,]+) after[^\n]*\n +([\d,]+) of them are zero", RegexOptions.CultureInvariant)]
    private static partial Regex Sizes();
}
