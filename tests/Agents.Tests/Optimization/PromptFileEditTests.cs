using Kotonoha.Agents.Prompts;
using Kotonoha.Agents.Prompts.Files;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Optimization;

public sealed class PromptFileEditTests : IDisposable
{
    private static readonly FewShotExample[] Shown =
        [new("a \"quoted\" question: \\ # not a comment", "yes"), new("two\nlines\t{{$x}}", "日本語 😀"), new("user:", "- no")];

    private readonly TemporaryFolder _folder = new();

    /// <summary>A prompt in each format, its instruction, and a part that must stay.</summary>
    public static TheoryData<string, string, string, string> Prompts => new()
    {
        { "tags.yaml",
            """"
            # A comment.
            name: sort
            template: |
              <message role="system">Sort {{$kind}} &amp; more.</message>
              <message role="user">{{$text}}</message>
            examples:
              select: mmr
              count: 1
              items:
                - { input: old, output: old }
            # The inputs.
            input_variables:
              - name: kind
                default: mail
            """", "Sort {{$kind}} & more.", "# The inputs.\ninput_variables:" },
        { "list.yaml",
            """
            messages:
            - role: system
              content: Sort {{$kind}}. # why
            - { role: user, content: "{{$text}}" }
            input_variables: [{ name: kind, default: mail }]
            """, "Sort {{$kind}}.", "{ role: user, content: \"{{$text}}\" }" },
        { "old.json", """{ "template": "<message role='system'>Sort {{$kind}}.</message><message role='user'>{{$text}}</message>", "input_variables": [{ "name": "kind", "default": "mail" }] }""",
            "Sort {{$kind}}.", "\"default\": \"mail\"" },
        { "sort.prompty",
            """
            ---
            # Who wrote it.
            inputs: { kind: mail, text: { type: string } }
            ---
            system:
            Sort {{kind}}.

            user:
            {{text}}
            """, "Sort {{kind}}.", "# Who wrote it." },
        { "bare.prompty", "system:\nSort {{kind}}.\nuser:\n{{text}}\n", "Sort {{kind}}.", "user:\n{{text}}" },
        { "agent.yaml", "kind: Prompt\ninstructions: >\n  Sort\n  mail.\n\nname: x # named\n", "Sort mail.", "name: x # named" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Prompts))]
    public async Task Another_instruction_and_other_examples_are_read_back_and_the_rest_stays(
        string name, string text, string instruction, string rest)
    {
        var prompt = PromptFile.Load(_folder.Write(name, text));
        Assert.Equal(instruction, prompt.Instruction);
        var other = instruction.Replace("Sort", "Put < in order,\n  \"all\": # of", StringComparison.Ordinal);
        var changed = prompt.With(other, Shown);
        Assert.Equal(text.ReplaceLineEndings("\n"), await File.ReadAllTextAsync(prompt.Path));
        changed.Save(_folder.At("new/saved" + Path.GetExtension(name)));
        var saved = PromptFile.Load(_folder.At("new/saved" + Path.GetExtension(name)));
        Assert.Equal(other, saved.Instruction);
        Assert.Equal(Shown, saved.Examples);
        Assert.Contains(rest, await File.ReadAllTextAsync(saved.Path), StringComparison.Ordinal);
        Assert.Empty(saved.Remarks);

        var values = prompt.Inputs.ToDictionary(
            input => input.Name, input => (object?)(input.Name == "kind" ? "post" : "Where is it?"));
        var (before, after) = ((await prompt.With(examples: []).RenderAsync(values)).Messages, (await saved.RenderAsync(values)).Messages);
        Assert.Equal(before[0].Text.Replace("Sort", "Put < in order,\n  \"all\": # of", StringComparison.Ordinal), after[0].Text);
        Assert.Equal(Shown.SelectMany(shown => shown.ToMessages()).Select(Said), after.Skip(1).SkipLast(1).Select(Said));
        Assert.Equal(Said(before[^1]), Said(after[^1]));

        static (ChatRole, string) Said(ChatMessage message) => (message.Role, message.Text);
    }

    [Fact]
    public async Task A_folder_of_semantic_kernel_gets_its_examples_in_the_settings()
    {
        _folder.Write("sort/skprompt.txt", "<message role=\"system\">Sort.</message><message role=\"user\">{{$text}}</message>\n");
        PromptFile.Load(_folder.At("sort")).With("Order.", Shown).Save(_folder.At("order"));
        var saved = PromptFile.Load(_folder.At("order"));
        Assert.Equal("Order.", saved.Instruction);
        Assert.Equal(Shown, saved.Examples);
        Assert.Equal("Order.", (await saved.RenderAsync(new Dictionary<string, object?> { ["text"] = "x" })).Messages[0].Text);
    }

    [Fact]
    public void What_cannot_be_changed_or_saved_is_said()
    {
        var plain = PromptFile.Load(_folder.Write("plain.yaml", "template: Summarise {{$text}}\n"));
        Assert.Null(plain.Instruction);
        Says(() => plain.With("Shorten."), "has no instruction");
        Says(() => plain.With(examples: [new("${env:HOME}", "x")]), "reference");
        Says(() => plain.With(examples: [new("x", "=Env.HOME")]), "reference");
        FewShotExample[] harmless = [new("${HOME}", "=A1+B1")];
        Assert.Equal(harmless, plain.With(examples: harmless).Examples);
        Says(() => plain.Save(_folder.At("plain.prompty")), "ends with .yaml");
        var skill = PromptFile.Load(_folder.Write("notes/SKILL.md", "---\nname: notes\ndescription: Writes notes.\n---\nBe brief.\n"));
        Says(() => skill.With(examples: Shown), "no place for examples");
        Assert.Equal("Be long.", skill.With("Be long.").Instruction);
        _folder.Write("schema.json", """{ "type": "object", "properties": { "a": { "type": "string" } } }""");
        var including = PromptFile.Load(_folder.Write("including.yaml",
            "template: Say {{$text}}\noutput_schema: ${file:schema.json}\n"));
        Says(() => including.With(examples: Shown).Save(_folder.At("elsewhere/x.yaml")), "includes schema.json");
        including.With(examples: Shown).Save(_folder.At("beside.yaml"));
        Assert.NotNull(PromptFile.Load(_folder.At("beside.yaml")).OutputSchema);

        static void Says(Action change, string problem)
            => Assert.Contains(problem, Assert.Throws<PromptFileException>(change).Message, StringComparison.Ordinal);
    }
}
