using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.Support;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Kotonoha.EndToEnd.Snippets;

/// <summary>
/// Compiles the C# of the README files and of docs against the libraries and the packages that they name, so that what a reader copies
/// works.
/// </summary>
/// <remarks>
/// A block of <c>```csharp</c> stands after <c>&lt;!-- snippet: name --&gt;</c> and is a program of top-level statements. What it takes for
/// granted may stand in that comment, on the lines after the name.
/// </remarks>
public partial class SnippetTests
{
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly string[] Libraries =
        ["Kotonoha.", "Microsoft.Extensions.", "Microsoft.SemanticKernel", "Microsoft.Agents.", "Microsoft.ML.Tokenizers", "Qdrant.Client"];

    private static readonly Lazy<MetadataReference[]> References = new(() =>
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path) is var name
                && (name.StartsWith("System.", StringComparison.Ordinal) || name is "mscorlib.dll" or "netstandard.dll"
                    || Libraries.Any(library => name.StartsWith(library, StringComparison.Ordinal))))
            .Append(Repository.Assembly("Torch"))
            .Select(path => MetadataReference.CreateFromFile(path)),
    ]);

    public static TheoryData<string> Files =>
    [
        .. Directory.EnumerateFiles(Repository.Root, "README*.md")
            .Concat(Directory.EnumerateFiles(Repository.At("docs"), "*.md"))
            .Concat(Directory.EnumerateFiles(Repository.At("src"), "README.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Repository.At("samples"), "README.md", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Repository.Root, path)).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Files))]
    public void Snippets_compile(string file)
    {
        var text = File.ReadAllText(Repository.At(file));
        var snippets = Snippet().Matches(text);
        Assert.Equal(CodeBlock().Count(text), snippets.Count);
        Assert.All(snippets, snippet => Assert.Empty(Errors(snippet)));
    }

    [Fact]
    public void A_snippet_that_is_wrong_does_not_compile()
    {
        var match = Snippet()
            .Match("<!-- snippet: a\nint given = 1;\n-->\n```csharp\nusing System;\nConsole.WriteLine(given.Nothing);\n```\n");
        Assert.Equal("CS1061", Assert.Single(Errors(match)).Id);
    }

    private static List<Diagnostic> Errors(Match snippet)
    {
        // Usings first, in whatever order given code and snippet bring them.
        var lines = $"{snippet.Groups["given"].Value}\n{snippet.Groups["code"].Value}".Split('\n');
        var code = string.Join('\n', lines.Where(IsUsing).Distinct().Concat(lines.Where(line => !IsUsing(line))));
        var options =
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable,
                allowUnsafe: false);
        var compilation = CSharpCompilation.Create(
            snippet.Groups["name"].Value,
            [CSharpSyntaxTree.ParseText(ImplicitUsings), CSharpSyntaxTree.ParseText(code, path: snippet.Groups["name"].Value)],
            References.Value,
            options);
        return [.. compilation.GetDiagnostics().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)];

        static bool IsUsing(string line) => UsingLine().IsMatch(line);
    }

    [GeneratedRegex(@"<!-- snippet: (?<name>[\w-]+)\s*(?<given>.*?)-->\r?\n```csharp\r?\n(?<code>.*?)^```",
        RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Snippet();

    [GeneratedRegex("^```(csharp|cs|c#)", RegexOptions.Multiline | RegexOptions.IgnoreCase)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"^\s*using\s+(static\s+)?[\w.]+(\s*=\s*[\w.<>]+)?;")]
    private static partial Regex UsingLine();
}
