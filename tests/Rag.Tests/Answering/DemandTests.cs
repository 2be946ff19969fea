using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>
/// Where a time, a person, a form or a case is asked for, nothing else answers: what the documents do not say is refused, and what they say
/// beside it is found.
/// </summary>
public sealed class DemandTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["lodge.md"] = """
            # Tarnwick Lodge

            The lodge has four bedrooms and a drying room. It was built in 1931 by Ada Merton. The boathouse has been closed since the storm.

            The sauna takes six people. Please leave the benches dry. Guests ask the warden for the sauna key.
            """,
        ["camera.md"] = """
            # Orvex cameras

            ## Camera QL-550

            The camera QL-550 has been on sale since 18 May 2019. Its housing is anthracite.

            ## Camera QL-560

            The camera QL-560 costs 420 CHF and holds 64 GB.
            """,
        ["rules.md"] = """
            # Brennick Library: rules

            Readers who lose a card pay 5 euros. If a book is damaged, the borrower replaces it. During exams the reading room opens at 7 a.m.
            """,
        ["press.md"] = """
            # Operating the press HD-20

            ## Changing the roller

            1. Switch the press off.
            2. Open the left flap.
            3. Pull the roller out.

            ## If the ink runs out

            1. Fetch a new cartridge.
            2. Call the print desk.
            """,
        ["figures.md"] = """
            # Calder Gallery in 2030

            - Employees: 41 employees
            - Electricity used: 512 MWh
            - Head: Ines Varga
            - Rooms: 9
            """,
        ["gakuin.md"] = """
            # 潮見語学院

            ドイツ語は週に二回、火曜と金曜にあります。ドイツ語の講師はハンス・ベルクです。

            フランス語は少人数で学びます。使っている教室は三階の二部屋です。事務は学院長の村瀬徹が見ています。
            """,
        ["plan.md"] = """
            # みなもクラウドの料金

            ## ライトプラン

            - 料金：月額1200円
            - 初期費用：3000円
            - 利用人数：12人
            """,
        ["clinic.md"] = """
            # 白浜医院の休暇

            結婚のときは5日の休みがあります。病気の場合は2日目から診断書を出します。
            """,
        ["staff.csv"] = """
            Name,Department,E-mail,Head,Phone,Size
            Halden Works,Quality,qual@mail.example,Petra Lind,0809 6972,7 people
            Halden Works,Shipping,ship@mail.example,Omar Reyes,0809 6973,9 people
            """,
        ["lessons.csv"] = """
            School,Lesson,Room,Bring
            Larchfield Music School,Violin B1,12,a stand
            Larchfield Music School,Piano B2,14,a metronome
            Larchfield Music School,Choir,Hall,warm socks
            """,
        ["studio.md"] = """
            # Larkspur studio

            The courses take place in the annex.

            ## Weaving

            Weaving is taught by Mona Ostrow. Beginners in weaving start on Mondays. Weaving costs 70 euros.

            ## Enamelling

            Enamelling meets on Tuesdays. The teacher is Ruben Falk. The kiln draws 1850 W.
            """,
        ["kouza.md"] = """
            # 北浜カルチャー

            ## 金継ぎ

            金継ぎは隔週で開かれます。材料費として4200円がかかります。

            ## 木版画

            木版画を受けるには6100円かかります。木版画の定員は14名です。

            ## 朝鮮語上級

            朝鮮語上級は全9回です。
            """,
        ["pump.md"] = """
            # Pump ZX-20

            The pump ZX-20 draws 1420 W. Its seal is replaced every 600 hours. The hose is green.
            """,
        ["kiln.md"] = """
            # 焼成の手引き

            ## 設定の目安

            設定 | 値
            --- | ---
            η | 0.4（範囲は0.2から0.7）
            昇温 | 毎時80度

            ## 当番

            当番 | 場所
            --- | ---
            第一班 | 2階の5号室
            """,
        ["shukugawa.md"] = """
            # 夙川病院の職員の休暇

            裁判員を務める間は給与が1週間分支給されます。子どもの誕生に際して職員には5日の休みがあります。
            """,
    };

    [Theory]
    [InlineData("When was the lodge built?", "1931")]
    [InlineData("Who built the lodge?", "Ada Merton")]
    [InlineData("How much is the camera QL-560?", "420 CHF")]
    [InlineData("Which colour is the housing of the QL-550?", "anthracite")]
    [InlineData("What do readers pay who lose a card?", "5 euros")]
    [InlineData("What do I do if the ink of the press runs out?", "1. Fetch a new cartridge.")]
    [InlineData("What is the next step after switching the press off when I change the roller?", "2. Open the left flap.")]
    [InlineData("How many employees did the Calder Gallery have in 2030?", "41 employees")]
    [InlineData("ドイツ語の講師は誰ですか", "ハンス・ベルク")]
    [InlineData("ドイツ語の授業は何曜日ですか", "火曜と金曜")]
    [InlineData("ライトプランの値段は？", "月額1200円")]
    [InlineData("ライトプランの初期費用はいくらですか", "3000円")]
    [InlineData("Who is the head of the Quality department of Halden Works?", "Petra Lind")]
    [InlineData("夙川病院では子どもが生まれたとき休みは何日ありますか。", "5日")]
    [InlineData("結婚のとき休みは何日ありますか", "5日")]
    [InlineData("病気のとき何日目から診断書が必要ですか", "2日目")]
    [InlineData("What do pupils bring to Piano B2 at Larchfield Music School?", "a metronome")]
    [InlineData("Who teaches enamelling at the Larkspur studio?", "Ruben Falk")]
    [InlineData("How often is the seal of the pump ZX-20 replaced?", "every 600 hours")]
    [InlineData("北浜カルチャーの木版画の定員は何名ですか", "14名")]
    [InlineData("北浜カルチャーの朝鮮語上級は全部で何回ありますか", "9回")]
    [InlineData("焼成ではηをどれくらいに設定したらよいでしょうか", "0.4")]
    public async Task What_is_asked_for_is_quoted(string question, string expected)
        => await Documents.AssertQuotesAsync(question, expected);

    [Theory]
    [InlineData("When was the sauna built?")]
    [InlineData("What is the price of the QL-550?")]
    [InlineData("How many people came to the Calder Gallery in 2030?")]
    [InlineData("Who is the deputy head of the Calder Gallery?")]
    [InlineData("Who is the deputy head of the Quality department of Halden Works?")]
    [InlineData("夙川病院では引っ越しのときに休暇は何日ありますか。")]
    [InlineData("What do I do if paper jams in the press HD-20?")]
    [InlineData("フランス語の講師は誰ですか")]
    [InlineData("フランス語の授業は何曜日ですか")]
    [InlineData("引っ越しのとき休みは何日ありますか")]
    [InlineData("ライトプランの開始日はいつですか")]
    [InlineData("What do pupils bring to Violin B2 at Larchfield Music School?")]
    [InlineData("How often is the hose of the pump ZX-20 replaced?")]
    [InlineData("How often is the kiln of the Larkspur studio fired?")]
    [InlineData("What does enamelling cost at the Larkspur studio?")]
    [InlineData("北浜カルチャーの金継ぎには何人まで参加できますか")]
    [InlineData("北浜カルチャーの朝鮮語初級は全部で何回ありますか")]
    [InlineData("焼成ではκをどれくらいに設定したらよいでしょうか")]
    [InlineData("当番の第一班のしめきりはいつですか")]
    public async Task What_is_not_said_is_refused(string question) => await Documents.AssertRefusesAsync(question);

    // きまり could be a word that the row does not say; all of the other question's words it says.
    [Theory]
    [InlineData("当番の第一班のきまりはいくつありますか", "第一班", false)]
    [InlineData("焼成ではηをどれくらいに設定したらよいでしょうか", "η", true)]
    public async Task A_row_is_looked_up_where_all_words_are_given(string question, string key, bool isLookup)
    {
        using var folder = new TemporaryFolder();
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(folder.At("kb.db")));
        await knowledge.AddDocumentAsync("kiln.md", new MemoryStream(Encoding.UTF8.GetBytes(Documents["kiln.md"])));
        var trace = await knowledge.TraceAsync(question, new AskOptions(), default);
        var row = trace!.Candidates.Single(candidate => candidate.Sentence.Normalized.StartsWith(key, StringComparison.Ordinal));
        Assert.Equal(isLookup, row.Probability >= AnswerFinder.LookupProbability);
    }

    [Theory]
    [InlineData("What comes after opening the left flap when I change the roller of the press?", "3. Pull the roller out.")]
    [InlineData("If the ink of the press runs out, what is to be done after fetching something new?", "2. Call the print desk.")]
    public async Task A_step_that_the_question_tells_is_no_citation(string question, string expected)
        => Assert.Equal(expected, Assert.Single((await Documents.AskAsync(question)).Citations).Text);
}
