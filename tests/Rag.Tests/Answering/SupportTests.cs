using System.Text;
using System.Text.Json;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>A sentence that a model wrote stays only where the passage states it.</summary>
public sealed class SupportTests
{
    private const string Rooms =
        "Room 204 seats 8 people and has a projector; room 205 seats 14 and has a whiteboard. Guests must book at least "
        + "two days before. The hall may be used only when a warden is present. Mr Lund bought the piano from Ada Klee in 1998. Some of "
        + "the "
        + "chairs are broken. The deposit is two months' rent for flats on the ground floor and three months' rent for flats on the upper "
        + "floors.";

    private const string Kisoku = "正社員は週3日まで、契約社員は週2日まで在宅勤務を行うことができる。課長は結果を総務部に報告する。会費の一部は返還されない。館は1972年に移転した。"
        + "瀬戸製紙(1911年創業)と東雲紙業(1953年創業)は合併した。アセトンで洗うと色が変わるため、使用してはならない。沈殿はエタノールで洗う。";

    [Theory]
    [InlineData("Room 205 seats 14 people.", true)]
    [InlineData("Room 205 seats 8 people.", false)]
    [InlineData("Room 204 has a projector.", true)]
    [InlineData("Room 205 seats 14 people and has a projector.", false)]
    [InlineData("Guests must book at least 48 hours before.", true)]
    [InlineData("Guests must book at most two days before.", false)]
    [InlineData("Guests must book at least two weeks before.", false)]
    [InlineData("Guests may book at least two days before.", false)]
    [InlineData("The hall may only be used when a warden is present.", true)]
    [InlineData("The hall may be used.", false)]
    [InlineData("The piano was bought from Ada Klee by Mr Lund.", true)]
    [InlineData("Ada Klee bought the piano from Mr Lund.", false)]
    [InlineData("Mr Lund bought the piano from Ada Klee in 1989.", false)]
    [InlineData("Mr Lund bought the piano from Ada Klee because it was cheap.", false)]
    [InlineData("Some of the chairs are broken.", true)]
    [InlineData("All of the chairs are broken.", false)]
    [InlineData("The chairs are broken.", false)]
    [InlineData("Some of the chairs are not broken.", false)]
    [InlineData("For flats on the upper floors, the deposit is three months' rent.", true)]
    [InlineData("The deposit for flats on the ground floor is three months' rent.", false)]
    [InlineData("Room 205 is the largest room.", false)]
    public void An_English_sentence_is_supported_where_the_passage_states_it(string sentence, bool supported)
        => Assert.Equal(supported, IsSupported(Rooms, sentence, "What is said?"));

    [Theory]
    [InlineData("契約社員は、週2日まで在宅勤務を行うことができる。", true)]
    [InlineData("契約社員は、週3日まで在宅勤務を行うことができる。", false)]
    [InlineData("契約社員は、週2日以上の在宅勤務を行わなければならない。", false)]
    [InlineData("結果は、課長から総務部に報告される。", true)]
    [InlineData("総務部は結果を課長に報告する。", false)]
    [InlineData("会費の一部は返還されません。", true)]
    [InlineData("会費はすべて返還されない。", false)]
    [InlineData("会費の一部は返還される。", false)]
    [InlineData("館が移転したのは1972年である。", true)]
    [InlineData("館が移転したのは1927年である。", false)]
    [InlineData("東雲紙業の創業は1953年である。", true)]
    [InlineData("瀬戸製紙の創業は1953年である。", false)]
    [InlineData("沈殿はエタノールで洗います。", true)]
    [InlineData("沈殿はアセトンで洗う。", false)]
    public void A_Japanese_sentence_is_supported_where_the_passage_states_it(string sentence, bool supported)
        => Assert.Equal(supported, IsSupported(Kisoku, sentence, "何が書いてありますか。"));

    [Theory]
    [InlineData("The Guillemot was built in 2007.", true)]
    [InlineData("The Guillemot was built in 1998.", false)]
    [InlineData("The Merganser takes thirty-six cars.", true)]
    [InlineData("The Merganser takes 240 cars.", false)]
    [InlineData("The Guillemot takes 310 passengers.", true)]
    [InlineData("The Guillemot does not take 310 passengers.", false)]
    [InlineData("The Guillemot is the fastest ship.", false)]
    public void A_row_supports_what_its_columns_say(string sentence, bool supported)
        => Assert.Equal(supported, IsSupported(
            "Ship | Built | Passengers | Cars\nMerganser | 1998 | 240 | 36\nGuillemot | 2007 | 310 | 52", sentence,
            "What about the ships?"));

    [Theory]
    [InlineData("The last ferry of the Lumme line leaves at 6:40 pm.", true)]
    [InlineData("The last ferry of the Lumme line leaves at 9:15 pm.", false)]
    [InlineData("The last ferry of the Auk line leaves at 9:15 pm.", true)]
    [InlineData("The last ferry of the Auk line leaves at 6:40 pm.", false)]
    public void A_line_that_stands_for_a_heading_says_what_is_spoken_of(string sentence, bool supported)
        => Assert.Equal(supported, IsSupported(
            "Lumme line\n\nThe last ferry leaves at 6:40 pm. Bicycles travel free.\n\nAuk line\n\nThe last ferry leaves at 9:15 pm.",
            sentence, "When does the last ferry leave?"));

    [Theory]
    [InlineData("Le tarif normal coûte 8 euros.", true)]
    [InlineData("Le tarif réduit coûte 8 euros.", false)]
    public void In_a_language_that_is_not_read_a_sentence_must_stand_there(string sentence, bool supported)
        => Assert.Equal(supported, IsSupported("Le tarif normal coûte 8 euros. Le tarif réduit coûte 5 euros.", sentence, "Combien ?"));

    [Theory]
    [InlineData("The pool is closed until Monday.", "The pool is closed Monday.", false)]
    [InlineData("The pool is closed on Monday.", "The pool is closed Monday.", true)]
    [InlineData("非会員は無料である。", "会員は無料である。", false)]
    [InlineData("在宅勤務規程は四月に施行された。", "規程は四月に施行された。", true)]
    [InlineData("薬は1日3錠服用する。", "薬は1日3回服用する。", false)]
    [InlineData("65歳以上の場合は、料金は500円である。", "料金は500円である。", false)]
    [InlineData("東京都は会場を貸す。", "京都は会場を貸す。", false)]
    [InlineData("Please bring:\n\nthe log book of the kiln\nthe spare key of the shed", "Please bring the spare key of the kiln.", false)]
    [InlineData("Platform 12 is closed.", "No. 12 is closed.", false)]
    [InlineData("The hall holds 1200 chairs.", "The hall holds 1,200 chairs.", true)]
    public void What_turns_or_narrows_a_statement_is_seen(string passage, string sentence, bool supported)
        => Assert.Equal(supported, IsSupported(passage, sentence, "?"));

    [Theory]
    [InlineData("مساحة الحديقة ١٢ هكتار والمدخل مجاني", "مساحة الحديقة ١٢ هكتار", true)]
    [InlineData("مساحة الحديقة ١٢ هكتار والمدخل مجاني", "مساحة الحديقة ١٣ هكتار", false)]
    [InlineData("料金は\uE000500円である。", "料金は500円である。", true)]
    public void Any_characters_can_be_checked(string passage, string sentence, bool supported)
        => Assert.Equal(supported, IsSupported(passage, sentence, "?"));

    [Fact]
    public void A_hostile_question_is_read_in_time_that_grows_with_it()
        => Assert.NotEmpty(new Question(string.Concat(Enumerable.Repeat("のは", 1500)) + "x").Text);

    [Fact]
    public void A_header_with_an_empty_first_cell_keeps_its_columns()
    {
        Assert.Equal(["", "2022", "2023"], Passage.Cells(" | 2022 | 2023"));
        Assert.Equal(["a", "b"], Passage.Cells("| a | b |"));
    }

    [Theory]
    [InlineData("support-en.jsonl", 0, 0.42)]
    [InlineData("support-ja.jsonl", 0, 0.48)]
    public async Task Of_many_sentences_of_all_kinds_false_ones_are_held_back_and_true_ones_kept(
        string file, double mostFalse, double leastTrue)
    {
        var cases = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Fixtures", file))
            .Select(line => JsonSerializer.Deserialize<Case>(line, JsonSerializerOptions.Web)!).ToList();
        int shownFalse = 0, shownTrue = 0;
        foreach (var passage in cases.GroupBy(each => each.Passage))
        {
            using var folder = new TemporaryFolder();
            await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(folder.At("kb.db")));
            await knowledge.AddDocumentAsync("passage.md", new MemoryStream(Encoding.UTF8.GetBytes(passage.Key)));
            foreach (var each in passage)
            {
                var answer = await knowledge.AskAsync(each.Question, new ScriptedChatClient(each.Sentence));
                bool shown = answer is { Found: true, AnsweredBy: AnsweredBy.Model };
                (shownFalse, shownTrue) = each.Supported
                    ? (shownFalse, shownTrue + (shown ? 1 : 0))
                    : (shownFalse + (shown ? 1 : 0), shownTrue);
            }
        }

        Assert.InRange(shownFalse / (double)cases.Count(each => !each.Supported), 0, mostFalse);
        Assert.InRange(shownTrue / (double)cases.Count(each => each.Supported), leastTrue, 1);
    }

    private static bool IsSupported(string passage, string sentence, string question)
    {
        var chunk = new Chunk("", "p.md", 0, 0, passage.Length, passage, null, null, null);
        return new SupportCheck(sentence, new Question(question)).Find(new Passage(new SearchHit(chunk, 1, null, null), 0)) is not null;
    }

    private sealed record Case(string Question, string Passage, string Sentence, bool Supported, string Kind);
}
