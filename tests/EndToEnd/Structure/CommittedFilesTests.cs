using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.Support;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Kotonoha.EndToEnd.Structure;

/// <summary>Keeps the files of the tree in order: form, size, and nothing that belongs to one machine.</summary>
public partial class CommittedFilesTests
{
    private const long MaxFileBytes = 16 << 20;
    private static readonly string[] Binary =
        [".pdf", ".docx", ".png", ".gz", ".br", ".zip", ".safetensors", ".bin", ".ico", ".jpg", ".tif", ".webp"];

    [Fact]
    [Trait("Category", "EndToEnd")]
    public async Task Code_is_formatted()
    {
        var check = await FormatAsync(Repository.Root, "Framework.sln");
        Assert.True(check.ExitCode == 0, $"Run: dotnet format whitespace Framework.sln\n{check}");
    }

    [Fact]
    [Trait("Category", "EndToEnd")]
    public async Task The_check_of_formatting_finds_a_violation()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Repository.At(".editorconfig"), folder.At(".editorconfig"));
        folder.Write("Odd.csproj", "<Project Sdk=\"Microsoft.NET.Sdk\">\n  <PropertyGroup>\n    "
            + "<TargetFramework>net10.0</TargetFramework>\n  </PropertyGroup>\n</Project>\n");
        folder.Write("Odd.cs", "class Odd\n{\n    int  x;\n  void F() { }\n}\n");
        var restored = await Command.DotnetAsync(folder.Path, "restore", "--tl:off");
        Assert.True(restored.ExitCode == 0, restored.ToString());
        var check = await FormatAsync(folder.Path, "Odd.csproj");
        Assert.Contains("WHITESPACE", check.Output + check.Error, StringComparison.Ordinal);
        Assert.NotEqual(0, check.ExitCode);
    }

    /// <summary>Data in verbatim and raw strings (regular expressions, JSON) stays in one piece.</summary>
    [Fact]
    public async Task Lines_have_at_most_140_columns()
    {
        const int Columns = 140;
        var problems = new List<string>();
        foreach (var file in (await Repository.FilesAsync()).Where(file => file.EndsWith(".cs", StringComparison.Ordinal)))
        {
            var tree = CSharpSyntaxTree.ParseText(File.ReadAllText(Repository.At(file)));
            foreach (var line in tree.GetText().Lines.Where(line => line.Span.Length > Columns))
                if (!tree.GetRoot().DescendantTokens(line.Span).Any(IsData))
                    problems.Add($"{file}:{line.LineNumber + 1} has {line.Span.Length} columns");
        }

        Assert.Empty(problems);

        static bool IsData(SyntaxToken token)
            => token.IsKind(SyntaxKind.SingleLineRawStringLiteralToken) || token.IsKind(SyntaxKind.MultiLineRawStringLiteralToken)
                || (token.IsKind(SyntaxKind.StringLiteralToken) && token.Text.StartsWith('@'))
                || (token.IsKind(SyntaxKind.Utf8StringLiteralToken) && token.Span.Length > Columns)
                || token.Parent?.FirstAncestorOrSelf<InterpolatedStringExpressionSyntax>() is { } text
                && text.StringStartToken.Text.Contains("\"\"\"", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_files_keep_to_the_editor_settings()
    {
        var problems = new List<string>();
        foreach (var file in await Repository.FilesAsync())
            if (!IsBinary(file))
                problems.AddRange(FormProblems(file, await File.ReadAllBytesAsync(Repository.At(file)))
                    .Select(problem => $"{file}: {problem}"));
        Assert.Empty(problems);
    }

    [Theory]
    [InlineData("a.sh", "echo\n", null)]
    [InlineData("a.sh", "", null)]
    [InlineData("a.sh", "echo \n", "line 1 ends in white space")]
    [InlineData("a.sh", "echo", "the last line has no end")]
    [InlineData("a.cs", "a\n\r\n", "line 2 ends in a carriage return")]
    [InlineData("a.md", "two blanks  \n", null)]
    [InlineData("a.json", "\t{}\n", "line 1 starts with a tab")]
    [InlineData("samples/documents/a.html", "a ", null)]
    public void The_check_of_form_finds_what_it_should(string file, string text, string? problem)
        => Assert.Equal(problem is null ? [] : [problem], FormProblems(file, Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void The_check_of_form_finds_bytes_that_are_no_text()
        => Assert.Equal(["is not UTF-8"], FormProblems("a.cs", [0x61, 0xFF, 0x0A]));

    [Fact]
    public async Task No_file_is_too_large()
        => Assert.DoesNotContain(await Repository.FilesAsync(), file => new FileInfo(Repository.At(file)).Length > MaxFileBytes);

    [Fact]
    public async Task No_file_names_a_machine_or_a_feed()
    {
        var problems = new List<string>();
        foreach (var file in await Repository.FilesAsync())
            if (!IsBinary(file))
                problems.AddRange(PlaceProblems(await File.ReadAllTextAsync(Repository.At(file))).Select(problem => $"{file}: {problem}"));
        Assert.Empty(problems);
    }

    [Theory]
    [InlineData("see /ho" + "me/ann/models", "/ho" + "me/ann")]
    [InlineData("in /ro" + "ot/x", "/ro" + "ot/")]
    [InlineData("in /wo" + "rk/x", "/wo" + "rk/")]
    [InlineData("C:\\Us" + "ers\\ann", "C:\\Us" + "ers\\a")]
    [InlineData("https://api.nu" + "get.org/v3", "api.nu" + "get.org")]
    [InlineData("\"resol" + "ved\": \"https://x\"", "\"resol" + "ved\": \"http")]
    [InlineData("the path is docs/wo" + "rk/notes and /home", null)]
    public void The_check_of_places_finds_what_it_should(string text, string? place)
        => Assert.Equal(place is null ? [] : [place], PlaceProblems(text));

    private static Task<Command> FormatAsync(string folder, string target)
        => Command.DotnetAsync(folder, "format", "whitespace", target, "--verify-no-changes", "--no-restore");

    private static bool IsBinary(string file) => Binary.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);

    private static List<string> FormProblems(string file, byte[] content)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content);
        }
        catch (DecoderFallbackException)
        {
            return ["is not UTF-8"];
        }

        // The same exceptions as in .editorconfig and .gitattributes: sample documents are somebody's own, Markdown's two blanks at an end
        // are a line break.
        var problems = new List<string>();
        if (text.Length == 0 || file.StartsWith("samples/documents", StringComparison.Ordinal)
            || file.Contains("/Fixtures/", StringComparison.Ordinal))
            return problems;
        if (text[^1] != '\n')
            problems.Add("the last line has no end");
        bool mayEndInBlanks = Path.GetExtension(file) == ".md";
        bool mayIndentByTabs = Path.GetExtension(file) is ".sln" or ".cu" || Path.GetFileName(file) == "Makefile";
        var lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].EndsWith('\r'))
                problems.Add($"line {i + 1} ends in a carriage return");
            else if (!mayEndInBlanks && lines[i].Length > 0 && lines[i][^1] is ' ' or '\t')
                problems.Add($"line {i + 1} ends in white space");
            if (!mayIndentByTabs && lines[i].StartsWith('\t'))
                problems.Add($"line {i + 1} starts with a tab");
        }

        return problems;
    }

    private static List<string> PlaceProblems(string text) => [.. Place().Matches(text).Select(match => match.Value).Distinct()];

    // Written in pieces, so that this file does not match itself.
    [GeneratedRegex(
        @"(?<![\w.~-])/(?:ho" + @"me/[a-z]\w*|Us" + @"ers/[A-Za-z]\w*|ro" + @"ot/|wo" + @"rk/)"
        + @"|[A-Za-z]:\\Us" + @"ers\\\w"
        + @"|api\.nu" + @"get\.org|registry\.npm" + @"js\.org|/v3/ind" + @"ex\.json"
        + @"|""resol" + @"ved""\s*:\s*""http")]
    private static partial Regex Place();
}
