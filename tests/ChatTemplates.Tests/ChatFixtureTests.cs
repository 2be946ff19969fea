using Kotonoha.Conformance;
using Kotonoha.Conformance.Chat;

namespace Kotonoha.ChatTemplates.Tests;

/// <summary>A selection of the chat fixtures, run by the same code as <c>scripts/conformance</c>.</summary>
public sealed class ChatFixtureTests
{
    [Fact]
    public void Templates_render_what_transformers_renders()
    {
        using var folder = FixtureArchive.Extract("chat");
        var log = new CaseLog();
        foreach (FixtureRunner runner in (FixtureRunner[])[new ChatTemplateRunner(), new JinjaRunner(), new HostileTemplateRunner()])
            foreach (var family in runner.Discover(folder.Path))
                runner.Run(folder.Path, family, log);

        Assert.Empty(log.Failures);
        Assert.True(log.Passed >= 500, $"only {log.Passed} cases ran");
    }
}
