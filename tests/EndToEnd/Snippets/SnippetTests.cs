using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.Support;

namespace Kotonoha.EndToEnd.Snippets;

/// <summary>Compiles the C# of the README files and of docs, so that what a reader copies works.</summary>
/// <remarks>
/// A block of <c>```csharp</c> stands after <c>&lt;!-- snippet: name --&gt;</c> and is a program of top-level statements. What it takes for granted may stand in
/// that comment, on the lines after the name.
/// </remarks>
[Trait("Category", "EndToEnd")]
public partial class SnippetTests
{
    public static TheoryData<string> Files => ["README.md", "README.ja.md", "docs/qdrant.md", "docs/readers.md"];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Snippets_compile(string file)
    {
        var text = await File.ReadAllTextAsync(Repository.At(file));
        var snippets = Snippet().Matches(text);
        Assert.Equal(CodeBlock().Count(text), snippets.Count);
        foreach (Match snippet in snippets)
        {
            var compiled = await CompileAsync($"{snippet.Groups["given"].Value}\n{snippet.Groups["code"].Value}");
            Assert.True(compiled.ExitCode == 0, $"{file}, snippet {snippet.Groups["name"].Value}:\n{compiled}");
        }
    }

    [Fact]
    public async Task A_snippet_that_is_wrong_does_not_compile()
    {
        var match = Snippet().Match("<!-- snippet: a\nint given = 1;\n-->\n```csharp\nusing System;\nConsole.WriteLine(given.Nothing);\n```\n");
        var compiled = await CompileAsync($"{match.Groups["given"].Value}\n{match.Groups["code"].Value}");
        Assert.NotEqual(0, compiled.ExitCode);
        Assert.Contains("CS1061", compiled.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("CS0103", compiled.Output, StringComparison.Ordinal);
    }

    private static async Task<Command> CompileAsync(string code)
    {
        using var folder = new TemporaryFolder();
        // Usings first, in whatever order given code and snippet bring them.
        var lines = code.Split('\n');
        bool IsUsing(string line) => UsingLine().IsMatch(line);
        folder.Write("Program.cs", string.Join('\n', lines.Where(IsUsing).Distinct().Concat(lines.Where(line => !IsUsing(line)))));
        folder.Write("Snippet.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
              <ItemGroup>
                <Reference Include="{AppContext.BaseDirectory}Kotonoha.*.dll" Exclude="{AppContext.BaseDirectory}Kotonoha.EndToEnd.dll" />
                <Reference Include="{AppContext.BaseDirectory}Microsoft.Extensions.*.dll" />
                <Reference Include="{AppContext.BaseDirectory}Qdrant.Client.dll" />
              </ItemGroup>
            </Project>
            """);
        return await Command.DotnetAsync(folder.Path, "build", "-nologo", "--tl:off", "-v", "quiet");
    }

    [GeneratedRegex(@"<!-- snippet: (?<name>[\w-]+)\s*(?<given>.*?)-->\r?\n```csharp\r?\n(?<code>.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Snippet();

    [GeneratedRegex("^```(csharp|cs|c#)", RegexOptions.Multiline | RegexOptions.IgnoreCase)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"^\s*using\s+(static\s+)?[\w.]+(\s*=\s*[\w.<>]+)?;")]
    private static partial Regex UsingLine();
}
