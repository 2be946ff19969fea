using Kotonoha.Server.Http;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Prompts;
using Kotonoha.Server.Work;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kotonoha.Server.Tests;

/// <summary>The folder of prompts that the page edits: names, versions, splits.</summary>
public sealed class PromptLibraryTests : IDisposable
{
    private const string First = "name: greet\ntemplate: Say hello to {{$name}}.\ntemplate_format: semantic-kernel\n";
    private const string Second = "name: greet\ntemplate: Greet {{$name}}.\ntemplate_format: semantic-kernel\n";

    private readonly TemporaryFolder _folder = new();
    private readonly Caller _user = new(new ApiKey { Id = "ann", Name = "ann", Hash = "" });

    public PromptLibraryTests()
    {
        _folder.Write("prompts/greet.yaml", First);
        _folder.Write("prompts/models.yaml", "models: {}\n");
        _folder.Write("prompts/notes/readme.md", "no prompt\n");
        _folder.Write("prompts/skill/SKILL.md", "---\nname: skill\ndescription: What it is for.\n---\nDo it.\n");
        _folder.Write("secret.txt", "secret");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_of_prompts_and_agents_are_listed_and_nothing_else()
        => Assert.Equal(["greet.yaml", "skill/SKILL.md"], Library().Names());

    [Theory]
    [InlineData("../secret.txt")]
    [InlineData("../other.yaml")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b.yaml")]
    [InlineData("a\\b.yaml")]
    [InlineData("C:/b.yaml")]
    [InlineData(".hidden.yaml")]
    [InlineData(".git/b.yaml")]
    [InlineData("https://example.com/b.yaml")]
    [InlineData("models.yaml")]
    [InlineData("run.sh")]
    [InlineData("SKILL.md")]
    [InlineData("a\n.yaml")]
    [InlineData("")]
    public void A_name_that_leads_elsewhere_or_is_no_prompts_is_refused(string name)
    {
        var library = Library();
        Assert.Equal(400, Assert.Throws<ApiException>(() => library.Read(name)).Status);
        Assert.Equal(400, Assert.Throws<ApiException>(() => library.Save(name, First, null, Caller.Anonymous)).Status);
        Assert.Equal(400, Assert.Throws<ApiException>(() => library.Delete(name, First, Caller.Anonymous)).Status);
        Assert.Equal(400, Assert.Throws<ApiException>(() => library.Rename(name, "b.yaml", Caller.Anonymous)).Status);
        Assert.Equal(400, Assert.Throws<ApiException>(() => library.Rename("greet.yaml", name, Caller.Anonymous)).Status);
        Assert.Equal(First, library.Read("greet.yaml"));
        Assert.Equal("secret", File.ReadAllText(_folder.At("secret.txt")));
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        _folder.Write("outside/b.yaml", First);
        Directory.CreateSymbolicLink(_folder.At("prompts/link"), _folder.At("outside"));
        var library = Library();
        Assert.DoesNotContain("link/b.yaml", library.Names());
        Assert.Throws<ApiException>(() => library.Read("link/b.yaml"));
        Assert.Throws<ApiException>(() => library.Save("link/b.yaml", Second, First, Caller.Anonymous));
        Assert.Throws<ApiException>(() => library.Delete("link/b.yaml", First, Caller.Anonymous));
        Assert.Throws<ApiException>(() => library.Rename("link/b.yaml", "c.yaml", Caller.Anonymous));
        Assert.Throws<ApiException>(() => library.Rename("greet.yaml", "link/c.yaml", Caller.Anonymous));
        Assert.False(File.Exists(_folder.At("outside/c.yaml")));
        Assert.Equal(First, File.ReadAllText(_folder.At("outside/b.yaml")));
    }

    [Fact]
    public void What_was_saved_is_kept_as_versions_and_an_error_names_its_line_and_saves_nothing()
    {
        var library = Library();
        Assert.Equal(2, library.Save("greet.yaml", Second.ReplaceLineEndings("\r\n"), First, Caller.Anonymous));
        Assert.Equal(Second, File.ReadAllText(_folder.At("prompts/greet.yaml")));
        Assert.Equal([2, 1], library.Versions("greet.yaml").Select(version => version.Number));
        Assert.Equal(First, library.Read("greet.yaml", 1));
        Assert.Equal(404, Assert.Throws<ApiException>(() => library.Read("greet.yaml", 3)).Status);

        var problem = Assert.Throws<PromptProblemException>(
            () => library.Save("greet.yaml", "name: greet\ntemplate: x\ntemplate_format: liquid\n", Second, Caller.Anonymous));
        Assert.Equal(3, problem.Line);
        Assert.StartsWith("greet.yaml, line 3: ", problem.Message, StringComparison.Ordinal);
        Assert.Equal(Second, library.Read("greet.yaml"));

        // Whoever opened the file before somebody else saved it does not undo that.
        Assert.Equal(409, Assert.Throws<ApiException>(() => library.Save("greet.yaml", First, First, Caller.Anonymous)).Status);
        Assert.Equal(409, Assert.Throws<ApiException>(() => library.Save("greet.yaml", First, null, Caller.Anonymous)).Status);

        // A change by other means is a version too.
        _folder.Write("prompts/greet.yaml", First + "description: By hand.\n");
        Assert.Equal([3, 2, 1], Library().Versions("greet.yaml").Select(version => version.Number));
        Assert.Equal(1, library.Save("new/hello.yaml", First, null, Caller.Anonymous));
        Assert.Equal(["greet.yaml", "new/hello.yaml", "skill/SKILL.md"], library.Names());
    }

    [Fact]
    public void A_renamed_file_takes_its_versions_and_its_split_along()
    {
        var library = Library();
        library.Save("greet.yaml", Second, First, Caller.Anonymous);
        var splits = new PromptSplits(library);
        var split = splits.Start("greet.yaml", 1, 2, 0.5, Caller.Anonymous);
        library.Rename("greet.yaml", "new/welcome.yaml", Caller.Anonymous);
        Assert.Equal(["new/welcome.yaml", "skill/SKILL.md"], library.Names());
        Assert.Equal(Second, library.Read("new/welcome.yaml"));
        Assert.Equal([2, 1], library.Versions("new/welcome.yaml").Select(version => version.Number));
        Assert.Equal(First, library.Read("new/welcome.yaml", 1));
        Assert.Equal(split, splits.Find("new/welcome.yaml"));
        Assert.Null(splits.Find("greet.yaml"));
        Assert.Equal(404, Assert.Throws<ApiException>(() => library.Read("greet.yaml")).Status);

        // The name is free again, and has no versions of another file.
        Assert.Equal(1, library.Save("greet.yaml", First, null, Caller.Anonymous));
        Assert.Equal(409, Assert.Throws<ApiException>(
            () => library.Rename("greet.yaml", "new/welcome.yaml", Caller.Anonymous)).Status);
        Assert.Equal(409, Assert.Throws<ApiException>(() => library.Rename("greet.yaml", "greet.yaml", Caller.Anonymous)).Status);
        Assert.Equal(404, Assert.Throws<ApiException>(() => library.Rename("none.yaml", "other.yaml", Caller.Anonymous)).Status);

        // What cannot be used under the name stays where it is.
        Assert.Throws<PromptProblemException>(() => library.Rename("greet.yaml", "greet.prompty", Caller.Anonymous));
        Assert.Equal(First, library.Read("greet.yaml"));
    }

    [Fact]
    public void A_deleted_files_versions_stay_and_belong_to_a_new_file_of_its_name()
    {
        var library = Library();
        library.Save("greet.yaml", Second, First, Caller.Anonymous);
        var splits = new PromptSplits(library);
        splits.Start("greet.yaml", 1, 2, 0.5, Caller.Anonymous);
        Assert.Equal(409, Assert.Throws<ApiException>(() => library.Delete("greet.yaml", First, Caller.Anonymous)).Status);
        library.Delete("greet.yaml", Second, Caller.Anonymous);
        Assert.Equal(["skill/SKILL.md"], library.Names());
        Assert.False(File.Exists(_folder.At("prompts/greet.yaml")));
        Assert.Equal(404, Assert.Throws<ApiException>(() => library.Delete("greet.yaml", Second, Caller.Anonymous)).Status);

        // Another file does not take the name with the versions of this one.
        library.Save("other.yaml", First, null, Caller.Anonymous);
        Assert.Equal(409, Assert.Throws<ApiException>(() => library.Rename("other.yaml", "greet.yaml", Caller.Anonymous)).Status);
        Assert.Equal(3, library.Save("greet.yaml", First, null, Caller.Anonymous));
        Assert.Equal(Second, library.Read("greet.yaml", 2));
        Assert.Null(splits.Find("greet.yaml"));

        // A text that was written by hand and never saved here is kept too.
        _folder.Write("prompts/greet.yaml", Second + "description: By hand.\n");
        library.Delete("greet.yaml", Second + "description: By hand.\n", Caller.Anonymous);
        Assert.Equal(5, library.Save("greet.yaml", First, null, Caller.Anonymous));
        Assert.Equal(Second + "description: By hand.\n", library.Read("greet.yaml", 4));
    }

    [Fact]
    public void What_is_saved_renamed_and_deleted_is_written_down_with_its_caller()
    {
        var options = new ServerOptions
        {
            Home = _folder.At("home"),
            Prompts = _folder.At("prompts"),
            AuditLog = _folder.At("audit.log"),
        };
        using var audit = new ServerAudit(options, new KeyFile(options.Home), TimeProvider.System, NullLogger<ServerAudit>.Instance);
        var library = new PromptLibrary(options, audit);
        var ann = new Caller(new ApiKey { Id = "a1", Name = "ann", Hash = "", IsAdministrator = true });
        library.Save("greet.yaml", Second, First, ann);
        library.Rename("greet.yaml", "welcome.yaml", ann);
        library.Delete("welcome.yaml", Second, ann);
        Assert.Throws<ApiException>(() => library.Delete("welcome.yaml", Second, ann));
        Assert.Equal(
            [
                ("server.prompt_saved", "ann", "prompt: greet.yaml, version: 2"),
                ("server.prompt_renamed", "ann", "prompt: greet.yaml, to: welcome.yaml"),
                ("server.prompt_deleted", "ann", "prompt: welcome.yaml"),
            ],
            audit.Latest.Reverse().Skip(1).Select(entry => (entry.Event, entry.Caller, entry.Details)));
    }

    [Fact]
    public void Only_administrators_write()
    {
        var library = Library();
        var splits = new PromptSplits(library);
        Assert.Equal(403, Assert.Throws<ApiException>(() => library.Rename("greet.yaml", "b.yaml", _user)).Status);
        Assert.Equal(403, Assert.Throws<ApiException>(() => library.Delete("greet.yaml", First, _user)).Status);
        Assert.Equal(First, library.Read("greet.yaml"));
        Assert.Equal(403, Assert.Throws<ApiException>(() => library.Save("greet.yaml", Second, First, _user)).Status);
        library.Save("greet.yaml", Second, First, Caller.Anonymous);
        Assert.Equal(403, Assert.Throws<ApiException>(() => splits.Start("greet.yaml", 1, 2, 0.5, _user)).Status);
        Assert.Equal(403, Assert.Throws<ApiException>(() => splits.Stop("greet.yaml", _user)).Status);
    }

    [Theory]
    [InlineData("kind: Agent\nname: spy\ntools:\n  - kind: read_file\n    root: ..\n", 5)]
    [InlineData("kind: Agent\nname: spy\ntools:\n  - kind: read_file\n    root: /etc\n", 5)]
    [InlineData("kind: Workflow\nname: spy\nagents:\n  a: ../a.yaml\nsequential: [a]\n", 4)]
    [InlineData("kind: Agent\nname: spy\ninstructions: ${env:PATH}\n", 3)]
    public void An_agent_reads_nothing_outside_of_the_folder(string text, int line)
    {
        _folder.Write("a.yaml", "kind: Agent\nname: a\n");
        Assert.Equal(line, Assert.Throws<PromptProblemException>(
            () => Library().Save("spy.yaml", text, null, Caller.Anonymous)).Line);
    }

    [Fact]
    public void A_split_keeps_each_person_with_a_version_and_its_votes_over_a_restart()
    {
        var library = Library();
        library.Save("greet.yaml", Second, First, Caller.Anonymous);
        var splits = new PromptSplits(library);
        Assert.Throws<ApiException>(() => splits.Start("greet.yaml", 1, 1, 0.5, Caller.Anonymous));
        Assert.Throws<ApiException>(() => splits.Start("greet.yaml", 1, 3, 0.5, Caller.Anonymous));
        Assert.Throws<ApiException>(() => splits.Start("greet.yaml", 1, 2, 1.5, Caller.Anonymous));
        var split = splits.Start("greet.yaml", 1, 2, 0.3, Caller.Anonymous);
        string[] people = [.. Enumerable.Range(0, 2000).Select(number => $"person {number}")];
        int second = people.Count(person => split.VersionOf(person) == 2);
        Assert.InRange(second, 500, 700);
        for (int i = 0; i < 30; i++)
            splits.Vote("greet.yaml", split.Id, 1, i < 10, null);
        for (int i = 0; i < 30; i++)
            splits.Vote("greet.yaml", split.Id, 2, i < 25, null);
        splits.Vote("greet.yaml", split.Id, 2, true, false);
        splits.Vote("greet.yaml", "another", 2, false, null);

        var after = new PromptSplits(Library()).Find("greet.yaml")!;
        Assert.Equal(people.Select(split.VersionOf), people.Select(after.VersionOf));
        Assert.Equal(new Votes(10, 20), after.FirstVotes);
        Assert.Equal(new Votes(26, 4), after.SecondVotes);
        var (difference, interval) = after.Difference!.Value;
        Assert.Equal(16 / 30.0, difference, 1e-12);
        Assert.InRange(interval.Low, 0.28, 0.31);
        splits.Stop("greet.yaml", Caller.Anonymous);
        Assert.Null(new PromptSplits(Library()).Find("greet.yaml"));
    }

    private PromptLibrary Library()
        => new(new ServerOptions { Home = _folder.At("home"), Prompts = _folder.At("prompts") });
}
