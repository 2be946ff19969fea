using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>What speaks against a sentence: it is of another thing, case, form or kind than what is asked for.</summary>
public sealed class ObjectionTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["lodge.md"] = """
            # Tarnwick Lodge

            The lodge has four bedrooms and a drying room. It was built in 1931 by Ada Merton.

            The sauna takes six people. Please report leaks to the staff. The attic costs 5 euros.
            """,
        ["harbour.md"] = """
            # Pelling Harbour

            The harbour office opens at 7:00. The crane lifts 40 tonnes.
            """,
        ["press.md"] = """
            # Operating the press HD-20

            ## If the ink runs out

            1. Fetch a new cartridge.
            2. Call the print desk.
            """,
        ["figures.md"] = """
            # Calder Gallery in 2030

            - Employees: 41
            - Halls: 12
            - Visitors: 90210
            """,
        ["studio.md"] = """
            # Larkspur studio

            ## Weaving

            Weaving is taught by Mona Ostrow. The fee is 70 euros.

            ## Enamelling

            Enamelling meets on Tuesdays. The kiln draws 1850 W.
            """,
        ["plans.md"] = """
            # Cloud

            ## Bronze

            The fee is 9 euros a month.

            ## Silver

            The fee is 19 euros a month.
            """,
        ["staff.csv"] = """
            Name,Department,Head,Phone
            Halden Works,Quality,Petra Lind,
            Halden Works,Shipping,Omar Reyes,0809 6973
            """,
        ["kouza.md"] = """
            # 北浜カルチャー

            ## 朝鮮語

            朝鮮語上級は全9回です。裁判員を務める間は3日休めます。
            """,
    };

    [Theory]
    [InlineData("How much is the sauna?", "The sauna takes six people.", Objection.OtherForm)]
    [InlineData("How much is the attic?", "The attic costs 5 euros.", null)]
    [InlineData("When was the sauna built?", "The sauna takes six people.", Objection.LacksKind)]
    [InlineData("When was the lodge built?", "It was built in 1931 by Ada Merton.", null)]
    [InlineData("Who built the sauna?", "Please report leaks to the staff.", Objection.LacksKind)]
    [InlineData("What comes after fetching a cartridge if the ink runs out?", "1. Fetch a new cartridge.", Objection.ToldByTheQuestion)]
    [InlineData("What comes after fetching a cartridge if the ink runs out?", "2. Call the print desk.", null)]
    [InlineData("What do I do if the belt of the press HD-20 tears?", "1. Fetch a new cartridge.", Objection.OtherCase)]
    [InlineData("What do I do if the ink runs out?", "1. Fetch a new cartridge.", null)]
    [InlineData("北浜カルチャーでは引っ越しのとき何日休めますか", "裁判員を務める間は3日休めます。", Objection.OtherCase)]
    [InlineData("北浜カルチャーでは裁判員を務めるとき何日休めますか", "裁判員を務める間は3日休めます。", null)]
    [InlineData("When was Pelling Harbour built?", "It was built in 1931 by Ada Merton.", Objection.NamedElsewhere)]
    [InlineData("When was the Brackwater built?", "It was built in 1931 by Ada Merton.", Objection.LacksName)]
    [InlineData("What is the fee for enamelling at the Larkspur studio?", "The fee is 70 euros.", Objection.OtherThing)]
    [InlineData("What is the fee for weaving at the Larkspur studio?", "The fee is 70 euros.", null)]
    [InlineData("What is the fee of Cloud Silver?", "The fee is 9 euros a month.", Objection.OtherThing)]
    [InlineData("What is the fee of Cloud Silver?", "The fee is 19 euros a month.", null)]
    [InlineData("What is the phone number of Quality at Halden Works?", "Halden Works | Quality | Petra Lind |", Objection.EmptyCell)]
    [InlineData("北浜カルチャーの朝鮮語初級は全部で何回ありますか", "朝鮮語上級は全9回です。", Objection.OfASibling)]
    [InlineData("北浜カルチャーの朝鮮語上級は全部で何回ありますか", "朝鮮語上級は全9回です。", null)]
    [InlineData("How many cranes does the Calder Gallery have in 2030?", "Halls: 12", Objection.OneOfMany)]
    [InlineData("How many halls does the Calder Gallery have in 2030?", "Halls: 12", null)]
    [InlineData("How many visitors did the Calder Gallery have in 2030?", "Halls: 12", Objection.SaidOfAnother)]
    [InlineData("How many people does the drying room take?", "The sauna takes six people.", Objection.NotOfTheThing)]
    public async Task Sentences_are_objected_to(string question, string sentence, string? objection)
    {
        using var folder = new TemporaryFolder();
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(folder.At("kb.db")));
        foreach (var (name, text) in Documents)
            await knowledge.AddDocumentAsync(name, new MemoryStream(Encoding.UTF8.GetBytes(text)));
        var trace = await knowledge.TraceAsync(question, new AskOptions(), default);
        var candidates = trace!.Candidates
            .ToDictionary(candidate => candidate.Passage.Chunk.Text[candidate.Span.Start..candidate.Span.End].Trim());
        Assert.Contains(sentence, candidates.Keys);
        var objections = candidates[sentence].Objections.Keys;
        if (objection is null)
            Assert.Empty(objections);
        else
            Assert.Contains(objection, objections);
    }
}
