namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>What goes wrong is said in the words of the command line.</summary>
[Trait("Category", "EndToEnd")]
public sealed class ErrorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ErrorTests()
    {
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea is steeped at seventy degrees.\n");
        Assert.Equal(0, Run("ingest").ExitCode);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("ingest --tenant ?", 2, "a name is not empty")]
    [InlineData("ingest --label tea.md=public --tenant x --rebuild", 1, "without --tenant")]
    [InlineData("ingest --url http://127.0.0.1:1/x", 1, "'--allow-private HOST[:PORT]'")]
    [InlineData("ingest --url http://localhost/x", 1, "'--allow-private HOST[:PORT]'")]
    [InlineData("ingest --url http://127.0.0.1:1/x --allow-private 127.0.0.1:1", 1, "which says what may be fetched, cannot be read")]
    [InlineData("ingest --url http://example.com/ --allow-private a?b", 2, "is no host")]
    [InlineData("ingest --audit-log /nowhere/audit.log", 1, "its folder does not exist")]
    [InlineData("documents export /nowhere/x.jsonl", 1, "The folder of '/nowhere/x.jsonl' does not exist")]
    [InlineData("ask --no-model --require-scope tea", 1, "--tenant NAME")]
    [InlineData("ask --no-model --history docs/tea.md tea", 2, "--history")]
    [InlineData("search --qdrant-url http://127.0.0.1:1 tea", 1, "--qdrant-url")]
    [InlineData("search --store qdrant --quantization binary tea", 2, "a server has --qdrant-quantization")]
    [InlineData("search --qdrant-quantization int8 tea", 2, "goes with --qdrant-url or --store qdrant")]
    [InlineData("search --quantization product tea", 2, "'product': one of")]
    public void An_error_names_the_options_of_the_command_line(string command, int expected, string why)
    {
        var (code, _, error) = Run([.. command.Split(' ').Select(word => word.Replace('?', ' '))]);
        Assert.True(code == expected, error);
        Assert.Contains(why, error);
        Assert.DoesNotMatch(@"\w(Options|Base|Policy|Async)\b|\(Parameter '|   at |System\.", error);
    }

    [Fact]
    public void A_missing_embedder_and_a_home_that_is_a_file_are_said()
    {
        var (code, _, error) = CliProcess.Run(["ingest", "--docs", _folder.At("docs"), "--home", _folder.At("docs/tea.md")]);
        Assert.Equal(2, code);
        Assert.Contains("(--home) cannot be written", error);
        Directory.Delete(Directory.EnumerateDirectories(_folder.At("home"), "embedder", SearchOption.AllDirectories).Single(), true);
        (code, _, error) = Run("search", "tea");
        Assert.Equal(1, code);
        Assert.Contains("re-index ('kotonoha ingest --rebuild')", error);
        (code, _, error) = Run("ask", "--no-model", new string('x', 5000));
        Assert.Equal(1, code);
        Assert.InRange(error.Length, 1, 400);
    }

    [Theory]
    [InlineData("binary")]
    [InlineData("int8")]
    public void The_quantisations_of_the_embedded_store_are_taken(string kind)
    {
        var (code, output, error) = Run("search", "--quantization", kind, "tea");
        Assert.True(code == 0, error);
        Assert.Contains("Green tea is steeped", output);
    }

    private (int ExitCode, string Output, string Error) Run(params string[] command)
        => CliProcess.Run([.. command, "--docs", _folder.At("docs"), "--home", _folder.At("home")], _folder.At(""));
}
