using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Kotonoha.EndToEnd.Support;

namespace Kotonoha.EndToEnd.Structure;

/// <summary>Keeps the arrows between the projects as docs/architecture.md draws them.</summary>
public partial class ArchitectureTests
{
    /// <summary>For each project: the projects that it may know, and the packages that it may use (null: any).</summary>
    private static readonly Dictionary<string, (string[] Projects, string[]? Packages)> Rules = new()
    {
        ["Foundation"] = ([], []),
        ["Tokenizers"] = (["Foundation"], ["System.Numerics.Tensors"]),
        ["ChatTemplates"] = (["Foundation"], []),
        ["Grammars"] = (["Foundation"], []),
        ["LocalModel"] = (["Foundation", "Tokenizers", "ChatTemplates", "Grammars"], ["System.Numerics.Tensors"]),
        ["Torch"] = (["LocalModel", "Foundation"], ["TorchSharp"]),
        ["Connector"] = (["LocalModel", "Tokenizers", "ChatTemplates", "Grammars", "Foundation"],
            [
                "Microsoft.Extensions.AI", "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.AI.OpenAI", "OpenAI",
                "System.ClientModel", "Microsoft.Extensions.DependencyInjection.Abstractions",
                "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Diagnostics.HealthChecks.Abstractions",
                "Microsoft.Extensions.Hosting.Abstractions",
                "Microsoft.Extensions.Logging.Abstractions", "Microsoft.ML.Tokenizers", "Microsoft.SemanticKernel.Abstractions",
            ]),
        ["Readers"] = (["Foundation"], null),
        ["Rag"] = (["Foundation", "Readers"], null),
        ["Rag.Hosting"] = (["Foundation", "Rag"],
            [
                "Microsoft.Agents.AI", "Microsoft.Agents.AI.Abstractions", "Microsoft.Extensions.AI",
                "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.AI.Evaluation",
                "Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions",
                "Microsoft.Extensions.VectorData.Abstractions", "Microsoft.SemanticKernel.Abstractions",
            ]),
        ["Workers"] = (["Foundation", "Readers", "Rag"],
            ["MassTransit", "MassTransit.Abstractions", "MassTransit.RabbitMQ", "MassTransit.RabbitMqTransport", "RabbitMQ.Client",
                "System.Threading.RateLimiting"]),
        ["Agents"] =
            (["Foundation", "Grammars", "ChatTemplates"],
                ["Microsoft.Agents.AI", "Microsoft.Agents.AI.Abstractions", "Microsoft.Agents.AI.Workflows", "Microsoft.Extensions.AI",
                    "Microsoft.Extensions.AI.Abstractions",
                    "Microsoft.SemanticKernel.Abstractions", "Microsoft.SemanticKernel.Core", "Microsoft.Extensions.Logging.Abstractions",
                    "ModelContextProtocol.Core", "System.Numerics.Tensors", "YamlDotNet"]),
        ["Client"] = (["Foundation"], []),
        ["Server"] =
            (["Foundation", "Client", "Tokenizers", "ChatTemplates", "Grammars", "LocalModel", "Connector", "Readers", "Rag", "Agents"],
                null),
        ["Page"] = (["Foundation", "Client", "Tokenizers", "LocalModel", "Rag", "Agents", "Server"], null),
        ["Cli"] =
            (["Foundation", "Tokenizers", "ChatTemplates", "Grammars", "LocalModel", "Connector", "Readers", "Rag", "Agents", "Server",
                "Page", "Torch", "Workers"],
                null),
    };

    /// <summary>For each folder of LocalModel: the folders that it may know.</summary>
    private static readonly Dictionary<string, string[]> FolderRules = new()
    {
        ["Numerics"] = [],
        ["Tensors"] = [],
        ["Cpu"] = ["Tensors"],
        ["Devices"] = ["Cpu", "Tensors"],
        ["Layers"] = ["Tensors"],
        ["Models"] = ["Layers", "Tensors"],
        ["Checkpoints"] = ["Models", "Layers", "Tensors"],
        // Conversations are trained on as they are asked: rendered and encoded by the same code.
        ["Training"] = ["Generation", "Checkpoints", "Models", "Layers", "Tensors", "Devices", "Numerics"],
        ["Evaluation"] = ["Training", "Models", "Tensors", "Devices", "Numerics"],
        ["Generation"] = ["Checkpoints", "Models", "Tensors", "Devices"],
    };

    public static TheoryData<string> Folders => [.. FolderRules.Keys];

    public static TheoryData<string> Projects => [.. Rules.Keys];

    [Fact]
    public void Every_project_of_src_has_its_rule()
        => Assert.Equal(Rules.Keys.Order(StringComparer.Ordinal),
            Directory.GetDirectories(Repository.At("src")).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_and_package_references_follow_the_arrows(string project)
    {
        var file = XDocument.Load(Repository.At("src", project, $"{project}.csproj"));
        Assert.Empty(
            ReferenceProblems(project,
                Includes("ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))),
                Includes("PackageReference")));

        IEnumerable<string> Includes(string item) => file.Descendants(item).Select(element => element.Attribute("Include")!.Value);
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Source_files_name_no_project_against_the_arrows(string project)
    {
        var problems = Directory.EnumerateFiles(Repository.At("src", project), "*.cs", SearchOption.AllDirectories)
            .Where(path => !Path.GetRelativePath(Repository.At("src", project), path).Split(Path.DirectorySeparatorChar)
                .Any(part => part is "bin" or "obj"))
            .SelectMany(path => SourceProblems(project, File.ReadAllText(path))
                .Select(problem => $"{Path.GetRelativePath(Repository.Root, path)}: {problem}"));
        Assert.Empty(problems);
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Assemblies_follow_the_arrows(string project)
    {
        using var file = File.OpenRead(Repository.Assembly(project));
        using var image = new PEReader(file);
        var reader = image.GetMetadataReader();
        var references = reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name)).ToList();
        Assert.NotEmpty(references);
        Assert.Empty(ReferenceProblems(project,
            references.Where(name => name.StartsWith("Kotonoha.", StringComparison.Ordinal)).Select(name => name["Kotonoha.".Length..]),
            references.Where(name => !name.StartsWith("Kotonoha.", StringComparison.Ordinal) && !IsOfTheRuntime(name))));
    }

    [Fact]
    public void Every_folder_of_LocalModel_has_its_rule()
        => Assert.Equal(
            FolderRules.Keys.Order(StringComparer.Ordinal),
            Directory.GetDirectories(Repository.At("src", "LocalModel")).Select(folder => Path.GetFileName(folder)!)
                .Where(name => name is not ("bin" or "obj"))
                .Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Folders))]
    public void Folders_of_LocalModel_name_no_folder_against_the_arrows(string folder)
    {
        var root = Repository.At("src", "LocalModel", folder);
        Assert.Empty(Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .SelectMany(path => FolderProblems(folder, File.ReadAllText(path))
                .Select(problem => $"{Path.GetRelativePath(Repository.Root, path)}: {problem}")));
    }

    [Theory]
    [InlineData("Models", "using Kotonoha.LocalModel.Checkpoints;", "names LocalModel.Checkpoints")]
    [InlineData("Models", "var x = Generation.LocalGpt.Load(path);\nvar y = new LocalModel.Training.Trainer();",
        "names LocalModel.Training")]
    [InlineData("Generation", "using Kotonoha.LocalModel.Tensors;\nnamespace Kotonoha.LocalModel.Generation;", null)]
    public void The_check_of_folders_finds_what_it_should(string folder, string source, string? problem)
        => Assert.Equal(problem is null ? [] : [problem], FolderProblems(folder, source));

    /// <summary>What parses documents that nobody vouches for stays in the project whose program runs apart.</summary>
    [Theory]
    [InlineData("PdfPig")]
    [InlineData("AngleSharp")]
    [InlineData("Markdig")]
    [InlineData("DocumentFormat.OpenXml")]
    [InlineData("MimeKit")]
    [InlineData("UTF.Unknown")]
    public void Only_Readers_references_a_parser_of_documents(string package)
        => Assert.Equal(
            ["Readers"],
            Rules.Keys.Where(project => XDocument.Load(Repository.At("src", project, $"{project}.csproj")).Descendants("PackageReference")
                .Any(element => element.Attribute("Include")!.Value == package)));

    [Theory]
    [InlineData("LocalModel", "using Kotonoha.Rag.Chunking;", "names Kotonoha.Rag")]
    [InlineData("LocalModel", "using Microsoft.Extensions.AI;", "uses Microsoft.Extensions.AI")]
    [InlineData("LocalModel", "global using static System.Math;\nusing Kotonoha.LocalModel.Tensors;\nusing X = Kotonoha.Foundation.Text;",
        null)]
    [InlineData("Rag", "var x = new Kotonoha.LocalModel.Tensors.Shape();", "names Kotonoha.LocalModel")]
    [InlineData("Agents", "using Kotonoha.Foundation;\nusing Microsoft.Extensions.AI;", null)]
    [InlineData("Agents", "using Kotonoha.Connector;", "names Kotonoha.Connector")]
    [InlineData("Agents", "using Markdig;", "uses Markdig")]
    [InlineData("Foundation", "using Kotonoha.LocalModel;", "names Kotonoha.LocalModel")]
    public void The_check_of_source_files_finds_what_it_should(string project, string source, string? problem)
        => Assert.Equal(problem is null ? [] : [problem], SourceProblems(project, source));

    [Fact]
    public void The_check_of_references_finds_what_it_should()
    {
        Assert.Equal(["references Connector"], ReferenceProblems("Rag", ["Foundation", "Connector"], ["Markdig"]));
        Assert.Equal(["references package Markdig"], ReferenceProblems("Agents", ["Foundation"], ["Markdig"]));
    }

    /// <summary>TorchSharp and its native library stay where they are asked for.</summary>
    [Fact]
    public void Only_Torch_references_TorchSharp()
        => Assert.Equal(
            ["Torch"],
            Rules.Keys.Where(project => XDocument.Load(Repository.At("src", project, $"{project}.csproj")).Descendants("PackageReference")
                .Any(element => element.Attribute("Include")!.Value.StartsWith("TorchSharp", StringComparison.Ordinal))));

    private static List<string> ReferenceProblems(string project, IEnumerable<string> projects, IEnumerable<string> packages)
    {
        var (allowedProjects, allowedPackages) = Rules[project];
        return
        [
            .. projects.Except(allowedProjects).Select(name => $"references {name}"),
            .. packages.Where(name => allowedPackages is not null && !allowedPackages.Contains(name))
            .Select(name => $"references package {name}"),
        ];
    }

    private static List<string> SourceProblems(string project, string source)
    {
        var (allowedProjects, allowedPackages) = Rules[project];
        var named = KotonohaName().Matches(source).Select(match => match.Groups[1].Value).Distinct()
            .Where(name => Rules.ContainsKey(name) && name != project && !allowedProjects.Contains(name))
            .Select(name => $"names Kotonoha.{name}");
        var used = allowedPackages is null ? [] : UsingDirective().Matches(source).Select(match => match.Groups[1].Value)
            .Where(name => !name.StartsWith("Kotonoha.", StringComparison.Ordinal) && name != "System"
                && !name.StartsWith("System.", StringComparison.Ordinal)
                && name != "Microsoft.Win32.SafeHandles" && !allowedPackages.Any(package => IsOf(package, name)))
            .Select(name => $"uses {name}");
        return [.. named, .. used];
    }

    // A package's namespaces are its own name's, or those below it: Microsoft.SemanticKernel.Abstractions has
    // Microsoft.SemanticKernel.ChatCompletion, ModelContextProtocol.Core has ModelContextProtocol.Client.
    private static bool IsOf(string package, string name)
        => package.StartsWith(name, StringComparison.Ordinal)
            || (name + ".").StartsWith(PackageEnd().Replace(package, "") + ".", StringComparison.Ordinal);

    private static List<string> FolderProblems(string folder, string source)
        => [.. LocalModelName().Matches(source).Select(match => match.Groups[1].Value).Distinct()
            .Where(name => FolderRules.ContainsKey(name) && name != folder && !FolderRules[folder].Contains(name))
            .Select(name => $"names LocalModel.{name}")];

    private static bool IsOfTheRuntime(string assembly)
        => File.Exists(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, assembly + ".dll"));

    [GeneratedRegex(@"\.(Abstractions|Core)$")]
    private static partial Regex PackageEnd();

    [GeneratedRegex(@"\bKotonoha\.(\w+)")]
    private static partial Regex KotonohaName();

    [GeneratedRegex(@"\bLocalModel\.(\w+)")]
    private static partial Regex LocalModelName();

    [GeneratedRegex(@"^\s*(?:global\s+)?using\s+(?:static\s+)?(?:\w+\s*=\s*)?([A-Za-z_][\w.]*)\s*;", RegexOptions.Multiline)]
    private static partial Regex UsingDirective();
}
