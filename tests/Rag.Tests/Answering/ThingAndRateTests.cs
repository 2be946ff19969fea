namespace Kotonoha.Rag.Tests.Answering;

/// <summary>
/// The row, the rate, the unit and the steps that are asked for answer; another row's, a fee paid once, a code that looks like a unit, or
/// the owner of a similar name do not.
/// </summary>
public sealed class ThingAndRateTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["ward.md"] = """
            # ハルミナ医院の病室

            この一覧は毎月見直されます。

            | 部屋 | 広さ | 担当 | 内線番号 |
            |---|---|---|---|
            | 301 | 18平方メートル | 川辺愛 | 内線5101 |
            | 302 | 24平方メートル | 古賀徹 | 内線5102 |
            """,
        ["annex.md"] = """
            # オルミナ医院の病室

            | 部屋 | 広さ | 担当 |
            |---|---|---|
            | 401 | 31平方メートル | 志村圭 |
            """,
        ["kiln.md"] = """
            # Pottery kilns

            ## Emptying the kiln TB-350

            1. Wait until the display shows 60 °C.
            2. Open the upper latch.
            3. Take the shelves out from above.

            ## TB-360

            The kiln TB-360 was built in 2019 and weighs 210 kg. It loses 40 W in standby.

            ## TB-370

            The kiln TB-370 weighs 310 kg.
            """,
        ["gym.md"] = """
            # Norvik Gym: what it costs

            The Morning plan costs 29 euros a month.

            Whoever joins the Evening plan pays a joining fee of 35 euros once.

            | Plan | Lockers | Joining |
            |---|---|---|
            | Weekend | 12 | 18 euros once |
            """,
        ["budget.md"] = """
            # Budget of Orlen Theatre

            | Department | Q1 | Q2 |
            |---|---|---|
            | Costumes | 4100 euros | 5200 euros |
            | Lights | 900 euros | 1300 euros |
            """,
        ["zoo.md"] = """
            # Halmond Zoo in 2031

            In 2031, 412 complaints reached the zoo. The lion house was visited by 90,210 people.
            """,
        ["office.md"] = """
            # Ferring Works: departments

            ## Dispatch

            Visitors are received from 8 a.m. to 15:30.

            ## Overview

            | Unit | Floor |
            |---|---|
            | Dispatch | on the second floor |
            | Paint shop | in the basement |
            """,
        ["parts.csv"] = "Part,Name,Price (EUR)\nGX-410,Valve,12.50\nGX-420,Pump,88.00\n",
        ["club.md"] = """
            # 写真同好会のご案内

            月例会は毎月第二土曜に開きます。会費は一人三千円です。写真集は一人四冊まで借りられます。

            新人展は10月5日に開幕します。
            """,
        ["outage.md"] = """
            # Outage of the assistant Marlo

            The firm in this report, its help desk and the assistant Marlo are made up.

            | Field | Value |
            |---|---|
            | Date | 4 March 2031 |

            On 4 March 2031, Marlo declined 90 questions. The reason was an expired certificate, because nobody had renewed it.
            """,
        ["school.md"] = """
            # マノーラ語学院

            ## ドイツ語入門

            ドイツ語入門は19時から始まります。

            # 教室の設備

            エアコンは運転中の音が38デシベルです。
            """,
        ["gallery.md"] = """
            # Lorven Gallery

            Entry costs 14 euros, and whoever loses a key pays a fine of 6 euros. A fine linen bag costs 9 euros in the shop.

            The hatch is in the east wing. Ordering takes nine minutes.
            """,
        ["calls.md"] = """
            # Night calls at Brunn Works

            The assistant forwards calls to the night desk, because it has no voice. The assistant maintains a list of 31 contacts.

            Brunn Works has 6 workshops in the valley.
            """,
        ["meadow.md"] = """
            # Meadow Lane flats

            A two-room flat costs 640 dollars a month. A single-storey cabin costs 300 dollars a week.

            This year's garden party was attended by 85 guests. In spring the lawn is mown every week.
            """,
        ["picnic.md"] = """
            # 社内行事のまとめ

            昨年の花見には百四十名が集まりました。なお、琵琶湖の山荘は二〇一八年に手放しました。
            """,
        ["welding.md"] = """
            # 溶接教室のご案内

            21時間の講習の受講料は4万8千円です。
            """,
    };

    [Theory]
    [InlineData("ハルミナ医院の302号室の広さはどのくらいですか。", "24平方メートル")]
    [InlineData("ハルミナ医院の301号室の担当は誰ですか。", "川辺愛")]
    [InlineData("How do I empty the kiln TB-350?", "Take the shelves out from above")]
    [InlineData("What does the Morning plan of Norvik Gym cost per month?", "29 euros")]
    [InlineData("What is the joining fee of the Evening plan at Norvik Gym?", "35 euros")]
    [InlineData("What was the Q2 budget of Lights at Orlen Theatre?", "1300 euros")]
    [InlineData("How many people complained to Halmond Zoo in 2031?", "412 complaints")]
    [InlineData("On which floor is the Paint shop of Ferring Works?", "in the basement")]
    [InlineData("What are the opening hours of Dispatch at Ferring Works?", "8 a.m. to 15:30")]
    [InlineData("What is the price of GX420?", "88.00")]
    [InlineData("写真同好会の会費はいくらですか。", "三千円")]
    [InlineData("写真集は何冊まで借りられますか。", "四冊")]
    [InlineData("新人展の開幕日はいつですか。", "10月5日")]
    [InlineData("Why did the assistant decline so many questions on 4 March 2031?", "expired certificate")]
    [InlineData("What does a two-room flat at Meadow Lane cost?", "640 dollars")]
    [InlineData("What does a 2-room flat at Meadow Lane cost?", "640 dollars")]
    [InlineData("What does a one-storey cabin at Meadow Lane cost?", "300 dollars")]
    [InlineData("昨年の花見には何名が集まりましたか。", "百四十名")]
    [InlineData("How much does entry to the Lorven Gallery cost?", "14 euros")]
    [InlineData("How much does the linen bag cost at the Lorven Gallery?", "9 euros")]
    [InlineData("How long does an order take at the Lorven Gallery?", "nine minutes")]
    [InlineData("Why does the assistant forward calls?", "no voice")]
    [InlineData("How many contacts does the assistant maintain?", "31 contacts")]
    [InlineData("21時間の講習の受講料はいくらですか。", "4万8千円")]
    public Task The_right_row_rate_and_steps_answer(string question, string expected)
        => Documents.AssertQuotesAsync(question, expected);

    [Theory]
    [InlineData("ルミナ医院の401号室の担当は誰ですか。")]
    [InlineData("What is the power consumption of the TB-370?")]
    [InlineData("What does the Weekend plan of Norvik Gym cost per month?")]
    [InlineData("What is the price of GX430?")]
    [InlineData("What does a four-room flat at Meadow Lane cost?")]
    [InlineData("What does a 4-room flat at Meadow Lane cost?")]
    [InlineData("How many guests attended last year's garden party?")]
    [InlineData("How often is the lawn mown in autumn?")]
    [InlineData("一昨年の花見には何名が集まりましたか。")]
    [InlineData("蓼科の山荘はいつ手放しましたか。")]
    [InlineData("How many people work in the workshops of Brunn Works?")]
    public Task A_sibling_another_rate_and_another_name_do_not_answer(string question)
        => Documents.AssertRefusesAsync(question);

    [Fact]
    public async Task Steps_are_quoted_as_a_whole_where_the_question_asks_how_something_is_done()
    {
        var answer = await Documents.AskAsync("How do I empty the kiln TB-350?");
        Assert.Equal(3, answer.Citations[0].Text.Split('\n').Length);
    }
}
